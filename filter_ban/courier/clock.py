# SPDX-License-Identifier: ISC
"""
Clocks that differ: each node measures how far the store's is ahead of its own.

It tells the others in whole seconds, and goes by the same itself. So what makes up for the clocks of two nodes is the same
for both but for the sign, and whichever way a time goes around, it comes back as it was.
"""

from typing import Final

SAME_S: Final = 2.0  # within this all times stay as they are, so that they are the same on all nodes
MAX_SHIFT_S: Final = 600


def offset(before_s: float, store_s: float, after_s: float) -> float:
    """Return how far a store's clock is ahead of ours, read between *before_s* and *after_s* of ours."""
    return store_s - (before_s + after_s) / 2


def steady(offset_s: float, told_s: int) -> int:
    """
    Return what is told of *offset_s*: whole seconds, 0 if it is about right.

    It stays as *told_s* until that is wrong by as much as clocks may differ: what followed each measurement would give one
    strike several times.
    """
    if abs(offset_s - told_s) < SAME_S:
        return told_s
    return round(offset_s) if abs(offset_s) >= SAME_S else 0


def shift(told_s: float, own_s: int) -> int:
    """Return how many seconds a node's clock is behind ours, from what it and we tell of the same store's."""
    return round(max(-MAX_SHIFT_S, min(told_s - own_s, MAX_SHIFT_S)))
