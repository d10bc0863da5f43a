# SPDX-License-Identifier: ISC
"""How often a figure was how big."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

ANSWER_BOUNDS_S: Final = (
    *(25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
)
LAG_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
BAN_BOUNDS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)


class Histogram:
    """
    Counts observations in buckets.

    Args:
        bounds: The highest value that each bucket takes, ascending; above the last there is one more.

    """

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.total = 0.0  # of all that was observed
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, value: float, times: int = 1) -> None:
        """Count *value*, so many *times*."""
        self._counts[bisect_left(self._bounds, value)] += times
        self.total += value * times

    @property
    def count(self) -> int:
        """How many observations there were."""
        return sum(self._counts)

    def buckets(self) -> Iterator[tuple[float, int]]:
        """Yield each bound, the last one infinite, and how many observations were no higher."""
        return zip((*self._bounds, float("inf")), accumulate(self._counts), strict=True)
