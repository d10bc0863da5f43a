# SPDX-License-Identifier: ISC
"""A farm: nodes and stores that are set up together, and what they agree on."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from filter_ban.client import ClientKey, key_text
from filter_ban.cluster.keys import ClusterKeys
from filter_ban.config import parse_config
from filter_ban.engine import Policy
from tests.bench.cluster.link import Weather
from tests.bench.cluster.node import Node, Shape
from tests.bench.cluster.store import Store
from tests.bench.cluster.traffic import Traffic
from tests.bench.cluster.world import World

SHARDS: Final = 4
AT_ONCE_S: Final = 2.0  # clocks that differ by less count as equal
STEP_S: Final = 0.1


class Farm:
    """
    Nodes with one memory.

    Args:
        seed: Of whatever happens by chance.
        clocks: What each node's clock is ahead of the world's; a node for each.
        weather: Between nodes and stores.
        stores: How many there are.
        buffer: Strikes that a node keeps for them.
        node: Its class.

    """

    def __init__(
        self,
        seed: int,
        clocks: Sequence[float],
        *,
        weather: Weather | None = None,
        stores: int = 1,
        buffer: int = 200_000,
        node: type[Node] = Node,
    ) -> None:
        self.world = World(seed)
        self.stores = [Store(self.world, ahead_s=7.0 * number) for number in range(1, stores + 1)]
        self.shape = Shape(
            policy=Policy.compile(parse_config("")),
            keys=ClusterKeys(b"a secret that all nodes share"),
            shards=SHARDS,
            weather=weather or Weather(),
            buffer=buffer,
        )
        self.nodes: list[Node] = []
        self._node = node
        for ahead_s in clocks:
            self.add_node(ahead_s)
        self.traffic = Traffic(self.world, self.nodes)

    def add_node(self, ahead_s: float = 0.0) -> Node:
        """Return one more node, that knows nothing yet."""
        name = f"mx{len(self.nodes)}"
        node = self._node(self.world, self.shape, name, self.stores, ahead_s)
        self.nodes.append(node)
        return node

    def seconds_until(self, is_so: Callable[[], bool], most_s: float) -> float:
        """Let time go by until *is_so*, and return how much that was; infinite where it took more than *most_s*."""
        begun_s = self.world.now_s
        while not is_so():
            if self.world.now_s - begun_s > most_s:
                return math.inf
            self.world.run(STEP_S)
        return self.world.now_s - begun_s

    # --- what they agree on

    def disagreements(self) -> list[str]:
        """Return what is not the same on all nodes as on the first, in words."""
        first, *others = self.nodes
        clients = [*self.traffic.clients, *(ban for node in self.nodes for ban in node.engine.bans)]
        return [
            f"{key_text(client)}: {what} on {other.name}, not on {first.name}"
            for other in others
            for client in dict.fromkeys(clients)
            for what in differences(first, other, client)
        ]

    def delays_s(self) -> list[float]:
        """Return, for each guesser, what went by between the failure that decided and the ban on the last node."""
        return sorted(
            max(node.banned_at_s.get(client, math.inf) for node in self.nodes if node.begun_s <= decided_s)
            - decided_s
            for client, decided_s in self.traffic.decided_at_s.items()
        )

    def wronged(self) -> set[ClientKey]:
        """Return whom some node has banned that it must never ban."""
        innocents = self.traffic.innocents
        return {
            client for node in self.nodes for client in node.banned_at_s if client in innocents | node.never
        }


def differences(first: Node, other: Node, client: ClientKey) -> Iterable[str]:
    """Yield what is different about *client*, its ban and its strikes, unless one of them spares it."""
    if client in first.never or client in other.never:
        return
    ban, same = (node.engine.bans.get(client) for node in (first, other))
    if ends(first, other, client):
        yield f"ban {same and same.end_s} and not {ban and ban.end_s}"
    strikes, same_strikes = (node.engine.strikes(client, node.now_s) for node in (first, other))
    if strikes != same_strikes:
        yield f"{same_strikes:g} strikes and not {strikes:g}"


def ends(first: Node, other: Node, client: ClientKey) -> bool:
    """Return whether the bans of *client* end at different times, or there is only one."""
    ban, same = first.engine.bans.get(client), other.engine.bans.get(client)
    if ban is None or same is None:
        return ban is not same
    if ban.end_s is None or same.end_s is None:
        return ban.end_s is not same.end_s
    apart_s = other.ahead_s - first.ahead_s
    if abs(apart_s) < AT_ONCE_S:
        return ban.end_s != same.end_s
    return abs(same.end_s - ban.end_s - apart_s) > AT_ONCE_S
