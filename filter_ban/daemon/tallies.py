# SPDX-License-Identifier: ISC
"""What the live view tells beside the status: kept while things happen, because a million clients may be tracked."""

from collections.abc import Callable

from filter_ban.daemon.minutes import Minutes
from filter_ban.daemon.newest import NewestBans
from filter_ban.daemon.observer import Observer
from filter_ban.daemon.suspects import Suspects
from filter_ban.daemon.turns import Turns
from filter_ban.engine import Engine
from filter_ban.model import Ban, Strike


class Tallies(Observer):
    """
    The observers of the live view as one.

    Args:
        engine: Counts and decides.
        turns: For long work.
        refused: How often a client was refused since the start.
        clock: Unix seconds.

    """

    def __init__(
        self, engine: Engine, turns: Turns, refused: Callable[[], int], clock: Callable[[], float]
    ) -> None:
        self.minutes = Minutes(refused, clock)
        self.suspects = Suspects(engine, turns)
        self.newest = NewestBans(engine, turns)
        self._all: tuple[Observer, ...] = (self.minutes, self.suspects, self.newest)

    def recall_strikes(self, strikes: list[Strike]) -> None:
        """Take note of strikes from before the start, newest first."""
        self.minutes.recall("failures", (strike.time_s for strike in strikes))
        self.suspects.recall(strikes)

    def struck(self, strikes: list[Strike]) -> None:
        """Tell all of strikes."""
        for observer in self._all:
            observer.struck(strikes)

    def banned(self, bans: list[Ban]) -> None:
        """Tell all of bans that begin."""
        for observer in self._all:
            observer.banned(bans)

    def ended(self, bans: list[Ban], by: str) -> None:
        """Tell all of bans that are over."""
        for observer in self._all:
            observer.ended(bans, by)
