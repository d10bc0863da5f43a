# SPDX-License-Identifier: ISC
"""What a store says of a stream."""

from typing import Any

import pytest

from filter_ban.courier.stream import Extent, is_id, order, read_entries, read_extent


@pytest.mark.parametrize(
    ("first", "last", "position", "lacks"),
    [
        ("5-0", "9-0", "7-0", False),
        ("5-0", "9-0", "5-0", False),
        ("5-0", "9-0", "9-0", False),
        ("5-0", "9-0", "4-9", True),  # trimmed
        ("5-0", "9-0", "10-0", True),  # it is another one
        ("", "0-0", "9-0", True),  # it is gone
        ("", "9-0", "9-0", False),  # trimmed, but read before
        ("", "9-0", "8-0", True),
    ],
)
def test_lacks(first: str, last: str, position: str, *, lacks: bool) -> None:
    """A stream lacks entries if it is not the one that was read, or some are gone that were not."""
    assert Extent(first, last).lacks(position) is lacks


@pytest.mark.parametrize(
    ("entry", "known"), [("1-0", True), ("1", False), ("", False), ("1-x", False), ("-", False)]
)
def test_ids(entry: str, *, known: bool) -> None:
    """Only ids are ids."""
    assert is_id(entry) is known


def test_order() -> None:
    """Ids are ordered as numbers."""
    assert sorted(["10-0", "9-11", "9-2"], key=order) == ["9-2", "9-11", "10-0"]


def test_extent() -> None:
    """The ids are found among what else a server says."""
    reply = [b"length", 1, b"last-generated-id", b"9-0", b"first-entry", [b"5-0", [b"m", b"x"]], b"new", 7]
    assert read_extent(reply) == Extent("5-0", "9-0")
    assert read_extent([b"last-generated-id", b"9-0", b"first-entry", None]) == Extent("", "9-0")


def test_entries() -> None:
    """Entries come with the name of their stream."""
    reply = [[b"s", [[b"1-0", [b"m", b"x", b"t", b"y"]], [b"1-1", []]]], [b"u", [[b"2-0", [b"m", b"z"]]]]]
    assert list(read_entries(reply)) == [
        ("s", "1-0", {b"m": b"x", b"t": b"y"}),
        ("s", "1-1", {}),
        ("u", "2-0", {b"m": b"z"}),
    ]
    assert list(read_entries(None)) == []


@pytest.mark.parametrize(
    "reply",
    [[1], [[b"s", [[b"1", []]]]], [[b"s", [[b"1-0", [b"m"]]]]], [[b"s", [[b"1-0", None]]]], b"OK", [[b"s"]]],
)
def test_strange_answers(reply: Any) -> None:
    """An answer of another form is an error of the kinds that are expected of one."""
    with pytest.raises((ValueError, TypeError, LookupError, AttributeError)):
        list(read_entries(reply))
