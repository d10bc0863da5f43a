# SPDX-License-Identifier: ISC
"""Numbers as bars of characters."""

from typing import Final

import pytest

from filter_ban.cli.watch.graph import columns, share
from filter_ban.cli.watch.look import ASCII, UNICODE, Look

GRAPHS: Final = {
    "a slope": ([0, 1, 2, 4, 8], 1, UNICODE, ["▁▂▂▄█"]),
    "nothing happened": ([0, 0], 1, UNICODE, ["▁▁"]),
    "not known": ([None, 0, 3], 1, UNICODE, [" ▁█"]),
    "one of many is seen": ([1, 1000], 1, UNICODE, ["▂█"]),
    "two rows": ([0, 4, 6, 8], 2, UNICODE, ["  ▄█", "▁███"]),
    "ASCII": ([None, 0, 2, 8], 1, ASCII, [" .:#"]),
    "no values": ([], 2, UNICODE, ["", ""]),
}


@pytest.mark.parametrize(("values", "rows", "look", "expected"), GRAPHS.values(), ids=GRAPHS.keys())
def test_columns(values: list[int | None], rows: int, look: Look, expected: list[str]) -> None:
    """The largest is full, none is a base line, one is more than none, what is not known is blank."""
    assert [row.plain for row in columns(values, rows, "", look)] == expected


def test_share() -> None:
    """A bar is never longer than its room."""
    assert share(0.5, 4, "", ASCII).plain == "##.."
    assert share(7.0, 4, "", ASCII).plain == "####"
    assert share(-1.0, 4, "", ASCII).plain == "...."
