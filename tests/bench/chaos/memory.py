# SPDX-License-Identifier: ISC
"""What a node knows, by a good clock, and wherein nodes differ."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Self

import attrs

from filter_ban.client import key_text
from tests.real.farm import Node

CLOSE_S: Final = 2.2  # clocks are made up for in whole seconds, and bans begin and end with a second
_MADE_UP_FOR_S: Final = 2.0  # less is left alone
_LIGHT: Final = 0.001


@attrs.frozen
class KnownBan:
    """A ban that a node knows of."""

    start_s: float
    end_s: float
    rule: str
    reference: str
    offence: int
    in_firewall: bool

    @classmethod
    def of(cls, told: Mapping[str, Any], ahead_s: float) -> Self:
        """Return a ban that was told by a clock that is *ahead_s* ahead."""
        end_s = math.inf if told["end"] is None else told["end"] - ahead_s
        facts = (told[fact] for fact in ("rule", "reference", "offence", "firewall"))
        return cls(told["start"] - ahead_s, end_s, *facts)

    def is_same(self, other: "KnownBan") -> bool:
        """Return whether both are one ban, as far as clocks that are wrong can tell."""
        return attrs.evolve(self, start_s=other.start_s, end_s=other.end_s) == other and all(
            math.isclose(*times_s, rel_tol=0.0, abs_tol=CLOSE_S)
            for times_s in ((self.start_s, other.start_s), (self.end_s, other.end_s))
        )


@attrs.frozen
class Memory:
    """What a node knows of bans and allowances, and of the strikes of some clients: what they weigh, and when they were."""

    whose: str
    bans: Mapping[str, KnownBan]
    allowed: frozenset[str]
    weights: Mapping[str, float]
    strikes: Mapping[str, frozenset[tuple[float, int]]]

    @classmethod
    def of(cls, node: Node, counted: Iterable[str] = ()) -> Self:
        """Return the memory of *node*, with the strikes of the clients *counted*."""
        made_up_for_s = round(node.ahead_s) if abs(node.ahead_s) >= _MADE_UP_FOR_S else 0
        strikes: dict[str, set[tuple[float, int]]] = {client: set() for client in counted}
        for key, time_s, user_tag, weight in node.all_strikes():
            if weight and (client := key_text(key)) in strikes:
                strikes[client].add((round(time_s - made_up_for_s, 3), user_tag))
        return cls(
            node.name,
            {client: KnownBan.of(ban, node.ahead_s) for client, ban in node.bans().items()},
            frozenset(one["client"] for part in node.ask("allowed") for one in part["allowed"]),
            {client: node.known_strikes(client)[0] for client in strikes},
            {client: frozenset(known) for client, known in strikes.items()},
        )

    def differences(self, other: "Memory", clients: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield those of *clients* of whom the other knows something else, with what that is."""
        for client in clients:
            if (client in self.allowed) != (client in other.allowed):
                yield client, f"is allowed: {client in self.allowed}, {client in other.allowed}"
            mine, others = self.bans.get(client), other.bans.get(client)
            if mine != others and not (mine and others and mine.is_same(others)):
                yield client, f"is banned: {mine}, {others}"
            if abs(self.weights.get(client, 0.0) - other.weights.get(client, 0.0)) > _LIGHT:
                yield client, f"has strikes that weigh {self.weights[client]}, {other.weights[client]}"
            if missing := self.strikes.get(client, frozenset()) ^ other.strikes.get(client, frozenset()):
                yield client, f"has strikes that only one has: {sorted(missing)}"
