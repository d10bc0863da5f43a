# SPDX-License-Identifier: ISC
"""Times, numbers and foreign texts for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.cli import wording

NOW_S = 1_795_237_352
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())

SPANS = {
    0: "0s",
    59.6: "1m",
    61: "1m1s",
    299: "4m59s",
    731: "12m",
    7199: "2h",
    6480: "1h48m",
    86_400: "1d",
    273_700: "3d4h",
}


@pytest.mark.parametrize(("seconds", "expected"), SPANS.items())
def test_span(seconds: float, expected: str) -> None:
    """A length of time is rounded to what people ask for."""
    assert wording.span(seconds) == expected


def test_moments() -> None:
    """Moments are in UTC, with their distance from now."""
    assert wording.since(NOW_S - 720, NOW_S) == "2026-11-21 04:50:32 UTC (12m ago)"
    assert wording.since(NOW_S + 5, NOW_S, wording.TO_THE_MINUTE) == "2026-11-21 05:02 (0s ago)"
    assert wording.until(NOW_S + 7200, NOW_S) == "2026-11-21 07:02:32 UTC (in 2h)"
    assert wording.until(NOW_S - 1, NOW_S) == "2026-11-21 05:02:31 UTC (over)"
    assert wording.until(None, NOW_S) == "lifted"


def test_counts() -> None:
    """Large numbers have separators, and a noun agrees with its number."""
    assert [wording.count(n, "ban") for n in (0, 1, 20_000)] == ["0 bans", "1 ban", "20,000 bans"]
    assert wording.count(None) == "-"
    assert [wording.weight(n) for n in (5.0, 0.2, None)] == ["5", "0.2", "-"]


def test_columns() -> None:
    """Columns are as wide as their widest cell, and no line ends in blanks."""
    assert list(wording.columns([("a", "b", "c"), ("aaa", "bb", "cccc")])) == ["a    b   c", "aaa  bb  cccc"]


@given(SCALARS)
def test_anything_is_shown(value: object) -> None:
    """Whatever stands where a value is expected is shown printable and bounded."""
    for text in (
        wording.shown(value),
        wording.moment(value),
        wording.since(value, NOW_S),
        wording.until(value, NOW_S),
        wording.weight(value),
        wording.enforcement(value),
    ):
        assert text
        assert text.isprintable()
        assert len(text) <= wording.MAX_CHARS
    assert wording.count(value, "ban").isprintable()


@given(st.text())
def test_printable(text: str) -> None:
    """A message of several lines keeps its lines, and each is printable."""
    shown = wording.printable(text)
    assert shown.count("\n") == text.count("\n")
    assert all(line.isprintable() for line in shown.split("\n"))
    assert wording.printable(shown) == shown
