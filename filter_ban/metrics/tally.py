# SPDX-License-Identifier: ISC
"""Counts by a word, of which there may not be too many: each is a time series of its own."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

MAX_WORDS: Final = 50
OTHER: Final = "other"


class Tally:
    """
    Counts by word; beyond MAX_WORDS a new one counts as OTHER.

    Args:
        words: Are there from the beginning, so that the step from 0 to 1 is seen.

    """

    def __init__(self, words: Iterable[str] = ()) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(words, 0))

    def count(self, word: str) -> None:
        """Count *word*."""
        is_new = word not in self.counts and len(self.counts) >= MAX_WORDS
        self.counts[OTHER if is_new else word] += 1
