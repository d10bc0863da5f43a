# SPDX-License-Identifier: ISC
"""How long it takes from the failure that decides until the ban is in force."""

import time
from collections.abc import Callable, Iterable

from filter_ban.client import ClientKey
from filter_ban.metrics.histogram import BAN_BOUNDS_S, Histogram


class TimeToBan:
    """
    Follows bans from their decision on; the decision comes within the call that reads the failure.

    Args:
        clock: Seconds of a clock that never jumps; asyncio's loops have the same.

    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.took_s = Histogram(BAN_BOUNDS_S)
        self._clock = clock
        self._decided_s: dict[ClientKey, float] = {}  # of those that are not in force yet, the oldest first

    @property
    def oldest_s(self) -> float:
        """How long ago the oldest ban that is not in force was decided; 0 without one."""
        first_s = next(iter(self._decided_s.values()), None)
        return 0.0 if first_s is None else self._clock() - first_s

    def decided(self, clients: Iterable[ClientKey]) -> None:
        """Take note that bans of *clients* were decided on."""
        now_s = self._clock()
        for client in clients:
            self._decided_s.pop(client, None)  # to stand last
            self._decided_s[client] = now_s

    def in_force(self, clients: Iterable[ClientKey]) -> None:
        """Take note that the bans of *clients* are in force everywhere; only the first time is measured."""
        now_s = self._clock()
        for client in clients:
            decided_s = self._decided_s.pop(client, None)
            if decided_s is not None:
                self.took_s.observe(now_s - decided_s)

    def withdrawn(self, clients: Iterable[ClientKey]) -> None:
        """Take note that *clients* are not to be banned any more."""
        for client in clients:
            self._decided_s.pop(client, None)
