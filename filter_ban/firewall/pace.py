# SPDX-License-Identifier: ISC
"""How many new entries the rules may make: a burst of a minute's worth, then at that rate."""

from typing import Final

MINUTE_S: Final = 60.0


class Pace:
    """
    Counts new entries; what goes wrong for everybody at once must not shut everybody out.

    A password check that fails for all is the case in mind: each customer then looks like a guesser.

    Args:
        per_minute: New entries that a minute may bring.

    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._left = float(per_minute)
        self._last_s = float("-inf")

    def take(self, wanted: int, now_s: float) -> int:
        """Return how many of the *wanted* new entries may be made at *now_s*, of a clock that never runs backwards."""
        gained = (now_s - self._last_s) * self.per_minute / MINUTE_S
        self._left = min(float(self.per_minute), self._left + gained)
        self._last_s = now_s
        granted = min(wanted, int(self._left))
        self._left -= granted
        return granted
