# SPDX-License-Identifier: ISC
"""Bookmarks come back from the ledger as they were."""

import math

from filter_ban.cluster.bookmarks import DISALLOWED, LIFTED, MAX_ACTS, Bookmarks


def ledger_of(bookmarks: Bookmarks) -> dict[str, str]:
    """Return what a new ledger remembers of the news."""
    return {name: value for name, value in bookmarks.news().items() if value is not None}


def test_what_is_told_is_what_is_remembered() -> None:
    """News of one run are what the next one begins with, and are told once."""
    bookmarks = Bookmarks()
    bookmarks.folded(0, "17-1")
    bookmarks.folded(0, "18-0")
    bookmarks.folded(3, "9-9")
    bookmarks.heard(0, "mx2.example.org", 1000, 7)
    bookmarks.heard(0, "mx3", 1001, 1)
    bookmarks.epoch(1, "abc")
    remembered = ledger_of(bookmarks)
    assert bookmarks.news() == {}
    assert Bookmarks(remembered | {"other": "1"}).facts() == {
        "positions": {0: "18-0", 3: "9-9"},
        "heard": {0: {"mx2.example.org": (1000, 7), "mx3": (1001, 1)}},
        "epochs": {1: "abc"},
        "told_offsets_s": {},
    }


def test_each_start_has_a_greater_number() -> None:
    """A start is later than every one before it, also after the clock was set back."""
    first = Bookmarks()
    assert first.start(5000) == 5000
    second = Bookmarks(ledger_of(first))
    assert second.start(4000) == 5001
    third = Bookmarks(ledger_of(second))
    assert third.start(6000) == 6000


def test_since_when_something_waits() -> None:
    """It is remembered while something waits, and told when it changes."""
    bookmarks = Bookmarks()
    bookmarks.waits(math.inf)
    assert bookmarks.news() == {}
    bookmarks.waits(17.25)
    bookmarks.waits(17.25)
    again = Bookmarks(ledger_of(bookmarks))
    assert again.waiting_s == 17.25
    again.waits(17.25)
    assert again.news() == {}
    again.waits(math.inf)
    assert again.news() == {"cluster waiting": None}
    assert again.waiting_s == math.inf


def test_acts_outlive_a_restart() -> None:
    """What an operator did is remembered by client, with the last time, and told once."""
    bookmarks = Bookmarks()
    bookmarks.acted(LIFTED, "192.0.2.7", 17.25)
    bookmarks.acted(LIFTED, "192.0.2.7", 18.5)
    bookmarks.acted(LIFTED, "192.0.2.8", 5.0)
    bookmarks.acted(DISALLOWED, "2001:db8::/48", 3.0)
    again = Bookmarks(ledger_of(bookmarks))
    again.acted(LIFTED, "192.0.2.7", 18.5)
    assert again.news() == {}
    assert dict(again.acts(LIFTED)) == {"192.0.2.7": 18.5, "192.0.2.8": 5.0}
    assert dict(again.acts(DISALLOWED)) == {"2001:db8::/48": 3.0}
    assert again.facts() == {"positions": {}, "heard": {}, "epochs": {}, "told_offsets_s": {}}


def test_told_clocks_are_remembered() -> None:
    """A clock that is right is nothing to remember, unless it was wrong."""
    bookmarks = Bookmarks()
    bookmarks.offset(0, 0)
    bookmarks.offset(1, -181)
    remembered = bookmarks.news()
    assert Bookmarks({name: value or "" for name, value in remembered.items()}).facts()["told_offsets_s"] == {
        1: -181
    }
    bookmarks.offset(1, 0)
    assert bookmarks.facts()["told_offsets_s"] == {1: 0}


def test_acts_are_bounded() -> None:
    """Beyond the bound no more are remembered; those that are can still be renewed."""
    bookmarks = Bookmarks()
    for number in range(MAX_ACTS + 10):
        bookmarks.acted(LIFTED, str(number), 1.0)
    bookmarks.acted(LIFTED, "0", 2.0)
    acts = dict(bookmarks.acts(LIFTED))
    assert len(acts) == MAX_ACTS
    assert (acts["0"], acts["1"]) == (2.0, 1.0)


def test_old_acts_are_forgotten() -> None:
    """They go from the ledger too, and make room for others."""
    bookmarks = Bookmarks()
    for number in range(MAX_ACTS):
        bookmarks.acted(LIFTED, str(number), float(number))
    bookmarks.news()
    bookmarks.forget_acts(1.0)
    assert bookmarks.news() == {f"{LIFTED} 0": None, f"{LIFTED} 1": None}
    bookmarks.acted(LIFTED, "new", 5.0)
    assert dict(bookmarks.acts(LIFTED))["new"] == 5.0
