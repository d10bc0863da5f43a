# SPDX-License-Identifier: ISC
"""Tests of filter_ban.report.text and words."""

from pathlib import Path

import pytest
from hypothesis import given

from filter_ban.report import words
from filter_ban.report.model import Report
from filter_ban.report.text import WIDTH, render
from tests.filter_ban.report.making import held, report, reports, sums, week


def test_a_week(tmp_path: Path) -> None:
    """A report has all sections, in ASCII and 72 columns, and fits on two pages of paper."""
    text = render(week(tmp_path), plain=True)
    lines = text.splitlines()
    assert text.isascii()
    assert all(len(line) <= WIDTH for line in lines)
    assert len(lines) < 90
    titles = (
        "filter-ban on mx.example.org",
        "Failed logins over time",
        "Busiest hours",
        "Networks",
        "User names attacked",
        "Services",
        "What was seen",
        "Bans, by rule",
        "Length: ",
        "Time to ban",
    )
    assert [title for title in titles if not any(line.startswith(title) for line in lines)] == []
    assert "  in...@example.org" in text
    assert "#" in text


def test_on_a_terminal(tmp_path: Path) -> None:
    """Where more than ASCII is shown, bars are blocks and cuts are ellipses."""
    text = render(week(tmp_path), plain=False)
    assert "in…@example.org" in text
    assert "█" in text
    assert set("▁▂▃▄▅▆▇") & set(text)


def test_nothing_happened() -> None:
    """Nothing happened: one line; what should be looked at is told all the same."""
    assert render(report(held()), plain=True).count("\n") == 1
    with_logins = render(report(held(sums=sums(seen={"auth-pass": 1200}))), plain=True)
    assert "nothing happened from" in with_logins
    assert with_logins.endswith("; 1,200 logins\n")
    alarmed = render(report(held(sums=sums(alarm={"heard": 1}))), plain=True)
    assert "!! Once a client was heard" in alarmed


@given(reports)
def test_anything(found: Report) -> None:
    """Whatever names and numbers are, lines are printable, and ASCII where that is wanted."""
    plain, rich = render(found, plain=True), render(found, plain=False)
    assert plain.isascii()
    assert all(line.isprintable() for line in (*plain.split("\n"), *rich.split("\n")))


@pytest.mark.parametrize(
    ("now", "before", "change"),
    [
        (5, None, ""),
        (0, 0, ""),
        (5, 0, "new"),
        (5, 5, "same"),
        (1000, 999, "same"),
        (11, 10, "+10%"),
        (0, 10, "-100%"),
        (99, 10, "+890%"),
        (100, 10, "x10"),
    ],
)
def test_change(now: int, before: int | None, change: str) -> None:
    """A change is a percentage as long as that says something."""
    assert words.change(now, before) == change


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.44, "0.4s"), (2.0, "2s"), (59.6, "1m"), (700, "12m"), (9000, "2h30m"), (270_000, "3d3h")],
)
def test_length(seconds: float, text: str) -> None:
    """Lengths have two units at most, and tenths where these matter."""
    assert words.length(seconds) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"), [(0, 0, "0%"), (1, 1000, "<1%"), (1, 3, "33%"), (3, 3, "100%")]
)
def test_share(part: int, whole: int, text: str) -> None:
    """A little is not nothing."""
    assert words.share(part, whole) == text
