# SPDX-License-Identifier: ISC
"""Clients that are close to a ban, found without a look at all of them: a million may be tracked."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

import attrs

from filter_ban.client import ClientKey
from filter_ban.config.values import Limit
from filter_ban.daemon.observer import Observer
from filter_ban.daemon.turns import Turns
from filter_ban.engine import Engine
from filter_ban.model import Strike

RECENT: Final = 1000  # clients that struck last: what each question looks at, some milliseconds in turns
SHOWN: Final = 50


@attrs.frozen
class Suspect:
    """A client, its last strike, and the limit that it is closest to with its strikes in that window."""

    last: Strike
    strikes: float
    limit: Limit

    @property
    def closeness(self) -> float:
        """Share of the limit that is reached."""
        return self.strikes / self.limit.count


class Suspects(Observer):
    """
    Remembers who struck last, and of those asked about before, who was closest.

    In a flood of more than RECENT clients between two questions the answer is a sample.
    """

    def __init__(self, engine: Engine, turns: Turns) -> None:
        self._engine = engine
        self._turns = turns
        self._recent: OrderedDict[ClientKey, Strike] = OrderedDict()
        self._closest: dict[ClientKey, Strike] = {}

    def struck(self, strikes: list[Strike]) -> None:
        """Remember who struck; this is on the path of an answer, so nothing is weighed up here."""
        recent = self._recent
        for strike in strikes:
            recent[strike.client] = strike
            recent.move_to_end(strike.client)
        while len(recent) > RECENT:
            recent.popitem(last=False)

    def recall(self, strikes: Iterable[Strike]) -> None:
        """Remember who struck before the start; *strikes* come newest first, and all are older than those heard."""
        recent = self._recent
        for strike in strikes:
            if len(recent) >= RECENT:
                return
            if strike.client not in recent:
                recent[strike.client] = strike
                recent.move_to_end(strike.client, last=False)

    async def closest(self, now_s: float) -> list[Suspect]:
        """Return the clients closest to a ban, the closest first; none that is banned or has no strikes left."""
        candidates = list({**self._closest, **self._recent}.values())
        found: list[Suspect] = []
        async for piece in self._turns.pieces(candidates):
            found += [suspect for strike in piece if (suspect := self._weigh(strike, now_s)) is not None]
        found.sort(key=lambda suspect: (-suspect.closeness, -suspect.last.time_s))
        self._closest = {suspect.last.client: suspect.last for suspect in found[:SHOWN]}
        return found[:SHOWN]

    def _weigh(self, strike: Strike, now_s: float) -> Suspect | None:
        engine, client = self._engine, strike.client
        if engine.is_banned(client, now_s):
            return None
        exemption = engine.policy.exemption(client, strike.service)
        limits = engine.policy.limits if exemption is None else exemption.limits
        standings = (
            Suspect(strike, engine.strikes(client, now_s, limit.window_s), limit) for limit in limits
        )
        closest = max(standings, key=lambda suspect: suspect.closeness)
        return closest if closest.strikes else None
