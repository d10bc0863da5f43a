# SPDX-License-Identifier: ISC
"""Bookmarks come back from the ledger as they were."""

from filter_ban.cluster.bookmarks import Bookmarks


def test_what_is_told_is_what_is_remembered() -> None:
    """News of one run are what the next one begins with, and are told once."""
    bookmarks = Bookmarks()
    bookmarks.folded(0, "17-1")
    bookmarks.folded(0, "18-0")
    bookmarks.folded(3, "9-9")
    bookmarks.heard(0, "mx2.example.org", 1000, 7)
    bookmarks.heard(0, "mx3", 1001, 1)
    bookmarks.epoch(1, "abc")
    news = bookmarks.news()
    assert bookmarks.news() == {}
    assert Bookmarks(news | {"other": "1"}).facts() == {
        "positions": {0: "18-0", 3: "9-9"},
        "heard": {0: {"mx2.example.org": (1000, 7), "mx3": (1001, 1)}},
        "epochs": {1: "abc"},
    }


def test_each_start_has_a_greater_number() -> None:
    """A start is later than every one before it, also after the clock was set back."""
    first = Bookmarks()
    assert first.start(5000) == 5000
    second = Bookmarks(first.news())
    assert second.start(4000) == 5001
    third = Bookmarks(second.news())
    assert third.start(6000) == 6000
