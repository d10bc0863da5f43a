# SPDX-License-Identifier: ISC
"""Tallies: counts by word, of a bounded number of words."""

from hypothesis import given
from hypothesis import strategies as st

from filter_ban.metrics import Tally
from filter_ban.metrics.tally import MAX_WORDS, OTHER


def test_words_are_there_from_the_beginning() -> None:
    """With nothing counted yet; others come when they are counted."""
    tally = Tally(["5 in 10m", "by hand"])
    tally.count("by hand")
    tally.count("decoy")

    assert tally.counts == {"5 in 10m": 0, "by hand": 1, "decoy": 1}


@given(st.lists(st.text()))
def test_nothing_is_lost_and_memory_is_bounded(words: list[str]) -> None:
    """However many words come, all are counted and few are kept."""
    tally = Tally()
    for word in [*map(str, range(MAX_WORDS)), *words]:
        tally.count(word)

    assert sum(tally.counts.values()) == MAX_WORDS + len(words)
    assert set(tally.counts) <= {OTHER, *map(str, range(MAX_WORDS))}
