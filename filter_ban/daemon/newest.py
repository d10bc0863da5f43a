# SPDX-License-Identifier: ISC
"""The newest bans, found without sorting them all: there may be a hundred thousand."""

import heapq
from collections import OrderedDict
from typing import Final

from filter_ban.client import ClientKey
from filter_ban.daemon.observer import Observer
from filter_ban.daemon.turns import Turns
from filter_ban.engine import Engine
from filter_ban.model import Ban

SHOWN: Final = 50
_KEPT: Final = 4 * SHOWN  # so that lifts do not make a search necessary
_SEARCHED_AT_ONCE: Final = 1000  # bans, in about half a millisecond


class NewestBans(Observer):
    """Remembers the bans that began last; searches for them only where too few are remembered, as after the start."""

    def __init__(self, engine: Engine, turns: Turns) -> None:
        self._engine = engine
        self._turns = turns
        self._clients: OrderedDict[ClientKey, None] = OrderedDict()  # the newest last

    def banned(self, bans: list[Ban]) -> None:
        """Remember who was banned."""
        for ban in bans[-_KEPT:]:
            self._clients[ban.client] = None
            self._clients.move_to_end(ban.client)
        while len(self._clients) > _KEPT:
            self._clients.popitem(last=False)

    def ended(self, bans: list[Ban], by: str) -> None:  # noqa: ARG002 - the observer's signature
        """Forget whose ban is over."""
        for ban in bans:
            self._clients.pop(ban.client, None)

    async def bans(self) -> list[Ban]:
        """Return the newest active bans, the newest first."""
        active = self._engine.bans
        if len(self._active()) < min(SHOWN, len(active)):
            newest: list[Ban] = []
            async for piece in self._turns.pieces(list(active.values()), _SEARCHED_AT_ONCE):
                newest = heapq.nlargest(_KEPT, [*newest, *piece], key=_start_s)
            self._clients = OrderedDict.fromkeys(ban.client for ban in reversed(newest))
        return self._active()[:SHOWN]

    def _active(self) -> list[Ban]:
        known = (self._engine.bans.get(client) for client in reversed(self._clients))
        return [ban for ban in known if ban is not None]


def _start_s(ban: Ban) -> int:
    return ban.start_s
