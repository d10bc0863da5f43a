# SPDX-License-Identifier: ISC
"""Tests of filter_ban.report.bans."""

import pytest

from filter_ban.report.bans import BOUNDS, lengths, time_to_ban
from filter_ban.report.holding import BanSpan
from filter_ban.report.model import Row

CLIENT = "192.0.2.7"


def ban(
    start_s: int = 1000, end_s: int | None = 1900, rule: str = "5 in 10m", lifted_s: int | None = None
) -> BanSpan:
    """Return a ban."""
    return CLIENT, start_s, end_s, lifted_s, rule


@pytest.mark.parametrize(
    ("bans", "strikes", "median_s"),
    [
        ([ban()], [990.0, 995.0, 1000.5], 10.5),
        ([ban()], [1000.5], 0.0),
        ([ban()], [300.0, 990.5, 1000.5], 10.0),  # the first is out of the window
        ([ban(rule="decoy")], [300.0, 1000.25], 700.25),  # that rule has none
        ([ban()], [], None),
        ([ban()], [1001.5], None),  # came after the ban: past refusing when it fell
        ([ban(rule="by hand")], [990.0, 1000.5], None),
        (
            [ban(), ban(2000, 3000)],
            [990.0, 1000.0, 1950.0, 2000.0],
            30.0,
        ),  # each from its own first: 10 and 50
        ([ban(lifted_s=1100), ban(1200, 3000)], [990.0, 1000.0, 1190.0, 1200.0], 10.0),
    ],
)
def test_time_to_ban(bans: list[BanSpan], strikes: list[float], median_s: float | None) -> None:
    """It is the time from the first strike in the rule's window, and after any earlier ban, to the one that caused it."""
    assert time_to_ban(bans, {CLIENT: strikes}).median_s == median_s


def test_distribution() -> None:
    """Each ban is in the bin of its time."""
    bans = [("192.0.2.1", 1000, 1900, None, "5 in 10m"), ("192.0.2.2", 1000, 1900, None, "5 in 10m")]
    found = time_to_ban(bans, {"192.0.2.1": [1000.0], "192.0.2.2": [700.0, 1000.5]})
    assert found.rows == [Row(bound, {"<1s": 1, "<10m": 1}.get(bound, 0)) for bound in BOUNDS]
    assert found.known == 2


@pytest.mark.parametrize(
    ("ends", "rows", "others"),
    [
        ([], [], 0),
        ([8200, 1900, 1900], [("15m", 2), ("2h", 1)], 0),
        ([None, None, 1900], [("15m", 1), ("until lifted", 2)], 0),
        ([1001, 1001, *range(1002, 1012)], [("1s", 2), *((f"{s}s", 1) for s in range(2, 9))], 3),
    ],
)
def test_lengths(ends: list[int | None], rows: list[tuple[str, int]], others: int) -> None:
    """The most frequent lengths are in their order, and those for ever last."""
    found = lengths(ban(end_s=end_s) for end_s in ends)
    assert found.rows == [Row(*row) for row in rows]
    assert (found.others, found.total) == (others, len(ends))
