# SPDX-License-Identifier: ISC
"""Simulated time: what is to happen, and when; the same from the same seed."""

import heapq
import itertools
import random
from collections.abc import Callable
from typing import Final

START_S: Final = 1_763_690_000.0
Act = Callable[[], None]


class World:
    """A clock that jumps from one happening to the next, and chance."""

    def __init__(self, seed: int) -> None:
        self.now_s = START_S
        self.chance = random.Random(seed)
        self._ahead: list[tuple[float, int, Act]] = []
        self._numbers = itertools.count()

    def after(self, delay_s: float, act: Act) -> None:
        """Do *act* in *delay_s* seconds; what is due at the same time is done in the order in which it was said."""
        heapq.heappush(self._ahead, (self.now_s + delay_s, next(self._numbers), act))

    def every(self, interval_s: float, act: Act) -> None:
        """Do *act* again and again, for the first time at some point of the first interval."""

        def again() -> None:
            act()
            self.after(interval_s, again)

        self.after(self.chance.uniform(0, interval_s), again)

    def run(self, duration_s: float) -> None:
        """Let *duration_s* seconds go by."""
        until_s = self.now_s + duration_s
        while self._ahead and self._ahead[0][0] <= until_s:
            self.now_s, _, act = heapq.heappop(self._ahead)
            act()
        self.now_s = until_s
