# SPDX-License-Identifier: ISC
"""What happened when, and what was wrong; on standard error."""

import sys
import time


class Story:
    """
    All that happened, for who wants to know why something went wrong.

    Args:
        is_told: Whether it is told as it happens; else when :meth:`tell` is called.

    """

    def __init__(self, *, is_told: bool) -> None:
        self.events = 0
        self.faults = 0
        self._is_told = is_told
        self._untold: list[str] = []
        self._began_s = time.time()

    def moment(self, time_s: float) -> str:
        """Return how long after the beginning *time_s* is."""
        return f"{time_s - self._began_s:.2f} s"

    def note(self, what: str) -> None:
        """Note how things are."""
        self._untold.append(f"{self.moment(time.time()):>9} {what}\n")
        if self._is_told:
            self.tell()

    def event(self, what: str) -> None:
        """Note what somebody did, or what befell somebody."""
        self.events += 1
        self.note(what)

    def fault(self, what: str) -> None:
        """Note what must not be."""
        self.faults += 1
        self.note(f"FAULT: {what}")

    def tell(self) -> None:
        """Tell what was not told yet."""
        sys.stderr.writelines(self._untold)
        sys.stderr.flush()
        self._untold.clear()
