# SPDX-License-Identifier: ISC
"""What operators do, and the clients of mail servers, each at some node."""

import random
import time
from collections.abc import Callable
from typing import Final

import attrs

from tests.bench.chaos.probe import FRIEND, Probe
from tests.bench.chaos.story import Story
from tests.real.farm import Farm, Node

RECENT_S: Final = 3.0  # acts on one client within that have no known order
PREFIXES: Final = ("10.200.1.0/24", "10.200.2.0/24")
_KNOWN: Final = 0.6  # so often somebody comes who was there before
_LATELY: Final = 10  # of so many
_PREFIX: Final = 0.15  # so often an operator means a prefix
_HERE: Final = 0.1  # so often he means this node alone
_LENGTHS_S: Final = (1800, 3600, 7200, None)

STRIKE: Final = "strikes"
GUESS: Final = "guesses"  # often enough to be banned
LOGIN: Final = "logs in"
BAN: Final = "ban"
LIFT: Final = "lift"
ALLOW: Final = "allow"
DISALLOW: Final = "disallow"
FAILURES: Final = frozenset({STRIKE, GUESS})


@attrs.frozen
class Act:
    """What somebody did."""

    time_s: float
    what: str
    node: str
    is_here: bool = False


class Acts:
    """
    All that was done, and by chance more.

    Attributes:
        done: What was done by or about each client, in order.
        uncounted: Whose strikes nodes may count differently: some were lost with an engine or a store, or the same
            password was tried at several nodes at once.

    """

    def __init__(self, farm: Farm, probe: Probe, chance: random.Random, story: Story) -> None:
        self.done: dict[str, list[Act]] = {}
        self.uncounted: set[str] = set()
        self._farm = farm
        self._probe = probe
        self._chance = chance
        self._story = story

    def common(self) -> list[str]:
        """Return the clients that all nodes must agree on: about whom nobody said anything for one node alone."""
        return [client for client, acts in self.done.items() if not any(act.is_here for act in acts)]

    def counted(self) -> list[str]:
        """Return the clients whose strikes all nodes must agree on."""
        return [client for client in self.common() if "/" not in client and client not in self.uncounted]

    def about(self, client: str) -> str:
        """Return what was done by or about *client*."""
        return ", ".join(
            f"{act.what}{' here' * act.is_here} at {act.node} after {self._story.moment(act.time_s)}"
            for act in self.done.get(client, ())
        )

    def lose(self, *, all_of_them: bool) -> None:
        """Say that recent strikes may be lost, or *all_of_them*."""
        since_s = 0.0 if all_of_them else time.time() - RECENT_S
        for client, acts in self.done.items():
            if any(act.what in FAILURES and act.time_s > since_s for act in acts):
                self.uncounted.add(client)

    def one(self) -> None:
        """Do one more."""
        kinds: tuple[Callable[[Node], None], ...] = (
            self._strike,
            self._guess,
            self._guess_everywhere,
            self._befriend,
            self._phone,
            self._mistype,
            *(self._say_by_chance,) * 7,
            self._disallow,
        )
        self._chance.choice(kinds)(self._node())

    # --- clients of mail servers

    def _strike(self, node: Node) -> None:
        node.fail(self._does(self._client(), STRIKE, node))

    def _guess(self, node: Node) -> None:
        node.fail(self._does(self._client(), GUESS, node), 5)

    def _guess_everywhere(self, _: Node) -> None:
        client = self._client()
        for node in self._probe.present():
            node.fail(self._does(client, STRIKE, node), self._chance.choice((1, 2)))

    def _befriend(self, node: Node) -> None:
        node.fail(FRIEND, 5)

    def _phone(self, _: Node) -> None:
        client = self._client()
        self.uncounted.add(client)
        nodes = self._probe.present()
        for node in self._chance.sample(nodes, self._chance.randint(1, len(nodes))):
            node.login(self._does(client, STRIKE, node), "bob@example.org", "an-old-one", "fail")

    def _mistype(self, node: Node) -> None:
        client, user = self._client(), self._chance.choice(("carol@example.org", "dave@example.org"))
        for _ in range(self._chance.randint(1, 2)):
            node.login(self._does(client, STRIKE, node), user, f"typo{self._chance.random()}", "fail")
        other = self._node()
        other.login(self._does(client, LOGIN, other), user, "right")

    # --- operators

    def _say_by_chance(self, node: Node) -> None:
        client = self._client()
        if self._chance.random() < _PREFIX:
            client = self._chance.choice(PREFIXES)
        what = self._chance.choice((BAN, BAN, LIFT, LIFT, ALLOW))
        self._say(what, client, node, is_here=self._chance.random() < _HERE)

    def _disallow(self, node: Node) -> None:
        allowed = [client for client in self.common() if any(act.what == ALLOW for act in self.done[client])]
        if allowed:
            self._say(DISALLOW, self._chance.choice(allowed), node)

    def _say(self, what: str, client: str, node: Node, *, is_here: bool = False) -> None:
        more = {"length": self._chance.choice(_LENGTHS_S)} if what == BAN else {}
        self._does(client, what, node, is_here=is_here)
        node.ask(what, clients=[client], everywhere=not is_here, **more)

    # --- who, and where

    def _does(self, client: str, what: str, node: Node, *, is_here: bool = False) -> str:
        self.done.setdefault(client, []).append(Act(time.time(), what, node.name, is_here))
        self._story.event(f"{client} {what}{' here' * is_here} at {node.name}")
        return client

    def _client(self) -> str:
        known = [client for client in self.done if "/" not in client][-_LATELY:]
        if known and self._chance.random() < _KNOWN:
            return self._chance.choice(known)
        return self._farm.client()

    def _node(self) -> Node:
        return self._chance.choice(self._probe.present())
