# SPDX-License-Identifier: ISC
"""Clocks that differ: each node measures how far the store's is ahead of its own."""

from typing import Final

SAME_S: Final = 2.0  # within this all times stay as they are, so that they are the same on all nodes
MAX_SHIFT_S: Final = 600


def offset(before_s: float, store_s: float, after_s: float) -> float:
    """Return how far a store's clock is ahead of ours, read between *before_s* and *after_s* of ours."""
    return store_s - (before_s + after_s) / 2


class Shifts:
    """
    What is added to the times of each node.

    A shift stays until it is wrong by as much as clocks may differ: one that followed each measurement would give one
    strike several times.
    """

    def __init__(self) -> None:
        self._shifts: dict[str, int] = {}

    def shift(self, node: str, offset_s: float, own_offset_s: float) -> int:
        """Return how many seconds the clock of *node* is behind ours; 0 if it is about right."""
        behind_s = max(-MAX_SHIFT_S, min(offset_s - own_offset_s, MAX_SHIFT_S))
        known_s = self._shifts.get(node, 0)
        if abs(behind_s - known_s) < SAME_S:
            return known_s
        shift_s = self._shifts[node] = round(behind_s) if abs(behind_s) >= SAME_S else 0
        return shift_s
