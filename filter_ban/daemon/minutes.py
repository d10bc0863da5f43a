# SPDX-License-Identifier: ISC
"""How much happened in each of the last 60 minutes."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from filter_ban.daemon.observer import Observer
from filter_ban.model import Ban, Strike

MINUTES: Final = 60
_MINUTE_S: Final = 60
AN_HOUR_S: Final = MINUTES * _MINUTE_S


class Minutes(Observer):
    """
    Counts failures, refusals, bans and lifts by the minute.

    Args:
        refused: How often a client was refused since the start; asked by :meth:`tick`.
        clock: Unix seconds.

    """

    def __init__(self, refused: Callable[[], int], clock: Callable[[], float]) -> None:
        self._refused = refused
        self._clock = clock
        self._refused_before = refused()
        self._started_s = clock()
        self._minute = int(self._started_s) // _MINUTE_S
        names = ("failures", "refused", "bans", "lifts")
        self._rings = {name: deque([0], maxlen=MINUTES) for name in names}

    def tick(self) -> None:
        """Take note of what was refused since the last time; to be called every second or so."""
        refused = self._refused()
        self._add("refused", max(0, refused - self._refused_before))
        self._refused_before = refused

    def struck(self, strikes: list[Strike]) -> None:
        """Count failures."""
        self._add("failures", len(strikes))

    def banned(self, bans: list[Ban]) -> None:
        """Count bans."""
        self._add("bans", len(bans))

    def ended(self, bans: list[Ban], by: str) -> None:
        """Count what was lifted before its time."""
        if by != "time":
            self._add("lifts", len(bans))

    def recall(self, name: str, times_s: Iterable[float]) -> None:
        """Count what was before the start; what is newer has been counted."""
        self._turn()
        ring = self._rings[name]
        ring.extendleft([0] * (MINUTES - len(ring)))
        for time_s in times_s:
            ago = self._minute - int(time_s) // _MINUTE_S
            if time_s < self._started_s and ago < MINUTES:
                ring[-1 - ago] += 1

    def counts(self) -> dict[str, list[int]]:
        """
        Return the counts by kind, a number a minute, oldest first; the last minute is the one that runs.

        A list is shorter than an hour where nothing is known of the time before the start.
        """
        self._turn()
        return {name: [*ring] for name, ring in self._rings.items()}

    def _add(self, name: str, number: int) -> None:
        self._turn()
        self._rings[name][-1] += number

    def _turn(self) -> None:
        """Begin a new minute where it is time; a clock that was set back has none."""
        minute = int(self._clock()) // _MINUTE_S
        if minute <= self._minute:
            return
        passed = min(minute - self._minute, MINUTES)
        self._minute = minute
        for ring in self._rings.values():
            ring.extend([0] * passed)
