# SPDX-License-Identifier: ISC
"""Tests of filter_ban.report.period."""

from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filter_ban.report.period import DAYS, HOURS, QUARTERS, WEEKS, Period, Step, between, bins, since, step_of

SetZone = Callable[[str], None]
MIDNIGHT = 500_016  # an hour
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"


@pytest.mark.parametrize(
    ("now_hour", "days", "expected", "before"),
    [
        (0.01, 1, (-24, 1), (-48, -24)),  # just after midnight: the day before
        (-0.01, 1, (-24, 0), (-48, -24)),  # just before: this day
        (12.4, 1, (-12, 13), (-36, -12)),
        (12.6, 1, (-11, 13), (-35, -11)),
        (0.5, 1 / 24, (-1, 1), (-2, -1)),
        (0.7, 1 / 24, (0, 1), (-1, 0)),
        (5, 30, (5 - 720, 6), (5 - 1440, 5 - 720)),
    ],
)
def test_since(now_hour: float, days: float, expected: tuple[int, int], before: tuple[int, int]) -> None:
    """The last days begin at the nearest full hour; those before have as many hours."""
    found = since((MIDNIGHT + now_hour) * 3600, days * 86_400)
    assert [(one.start_hour - MIDNIGHT, one.end_hour - MIDNIGHT) for one in found] == [expected, before]


@given(st.floats(1e9, 2e9), st.integers(3600, 400 * 86_400))
def test_since_covers(now_s: float, length_s: int) -> None:
    """Now is in the period, and it is never half an hour shorter than was asked."""
    period, before = since(now_s, length_s)
    assert period.start_s <= now_s < period.end_s
    assert now_s - period.start_s > length_s - 3600
    assert before.end_hour == period.start_hour


def test_between(set_zone: SetZone) -> None:
    """Days are those of the local time zone, also where one has 25 hours, and end with now."""
    set_zone(BERLIN)
    period, before = between(date(2026, 10, 24), date(2026, 10, 25), 2e9)
    assert (len(period.hours), len(before.hours)) == (49, 49)
    assert period.start_s == 1_792_792_800
    now_s = period.start_s + 5.5 * 3600
    assert len(between(date(2026, 10, 24), date(2026, 10, 25), now_s)[0].hours) == 6


@pytest.mark.parametrize(
    ("first", "last", "why"),
    [
        (date(2026, 1, 2), date(2026, 1, 1), "after the last"),
        (date(2099, 1, 1), date(2099, 1, 2), "not yet begun"),
    ],
)
def test_no_period(first: date, last: date, why: str) -> None:
    """What is none is told."""
    with pytest.raises(ValueError, match=why):
        between(first, last, 1.8e9)


@pytest.mark.parametrize(
    ("days", "step"),
    [(1, HOURS), (3, HOURS), (4, QUARTERS), (14, QUARTERS), (30, DAYS), (100, DAYS), (365, WEEKS)],
)
def test_step(days: int, step: Step) -> None:
    """A period has some dozens of bins."""
    assert step_of(Period(MIDNIGHT, MIDNIGHT + days * 24)) is step


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(400_000, 600_000), st.integers(1, 2000), st.sampled_from([HOURS, QUARTERS, DAYS, WEEKS]))
def test_bins(set_zone: SetZone, start: int, length: int, step: Step) -> None:
    """Each hour is in one bin, in order, whatever the clocks do."""
    set_zone(BERLIN)
    found = list(bins(range(start, start + length), step))
    assert [hour for one in found for hour in one] == list(range(start, start + length))
    longest = {HOURS: 1, QUARTERS: 7, DAYS: 25, WEEKS: 7 * 24 + 1}[step]
    assert all(len(one) <= longest for one in found)


def test_days_with_another_length(set_zone: SetZone) -> None:
    """A day begins at midnight, also after a night when the clocks change."""
    set_zone(BERLIN)
    period, _ = between(date(2026, 3, 28), date(2026, 3, 30), 2e9)
    assert [len(day) for day in bins(period.hours, DAYS)] == [24, 23, 24]
