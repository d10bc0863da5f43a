# SPDX-License-Identifier: ISC
"""Periods of whole hours, and how one is cut into bins. Days are those of the local time zone."""

import math
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import date
from itertools import groupby
from typing import Final

import attrs

from filter_ban.tally import HOUR_S

DAY_S: Final = 86_400
_DAYS_BY_HOUR: Final = 3  # the longest period, in days, that is shown by the hour; and so on
_DAYS_BY_QUARTER: Final = 14
_DAYS_BY_DAY: Final = 100


@attrs.frozen
class Period:
    """From the beginning of one hour to that of another; hours are Unix seconds / 3600."""

    start_hour: int
    end_hour: int

    @property
    def start_s(self) -> int:
        """Unix seconds."""
        return self.start_hour * HOUR_S

    @property
    def end_s(self) -> int:
        """Unix seconds."""
        return self.end_hour * HOUR_S

    @property
    def hours(self) -> range:
        """The hours in it."""
        return range(self.start_hour, self.end_hour)

    @property
    def days(self) -> float:
        """Length."""
        return len(self.hours) / 24


def since(now_s: float, length_s: float) -> tuple[Period, Period]:
    """
    Return the last *length_s* seconds, and as many before.

    They begin at the nearest full hour, so that a report made shortly after midnight is one of the day before.
    """
    hours = max(1, round(length_s / HOUR_S))
    start = round(now_s / HOUR_S) - hours
    return Period(start, max(start, int(now_s // HOUR_S)) + 1), Period(start - hours, start)


def between(first: date, last: date, now_s: float) -> tuple[Period, Period]:
    """
    Return the days from *first* to *last*, both whole, as far as they are over; and as many hours before.

    Raises:
        ValueError: The first day is after the last, or not yet begun.

    """
    if first > last:
        raise ValueError("the first day is after the last")
    start = int(_midnight_s(first) // HOUR_S)
    end = min(
        math.ceil(_midnight_s(date.fromordinal(last.toordinal() + 1)) / HOUR_S), int(now_s // HOUR_S) + 1
    )
    if end <= start:
        raise ValueError("the first day is not yet begun")
    return Period(start, end), Period(start - (end - start), start)


def _midnight_s(day: date) -> float:
    return time.mktime((day.year, day.month, day.day, 0, 0, 0, 0, 0, -1))


@attrs.frozen
class Step:
    """The length of a bin, in words; ``key`` says which bin a local time is in."""

    words: str
    form: str  # of strftime, for the start of a bin
    key: Callable[[time.struct_time], Hashable]


def _day(at: time.struct_time) -> int:
    return date(at.tm_year, at.tm_mon, at.tm_mday).toordinal()


HOURS: Final = Step("hour", "%a %d %b %H:00", lambda at: (_day(at), at.tm_hour, at.tm_isdst))
QUARTERS: Final = Step("6 hours", "%a %d %b %H:00", lambda at: (_day(at), at.tm_hour // 6))
DAYS: Final = Step("day", "%a %d %b", _day)
WEEKS: Final = Step("week", "%d %b %Y", lambda at: (_day(at) - 1) // 7)  # day 1 was a Monday


def step_of(period: Period) -> Step:
    """Return the length of bins that makes a period some dozens of them."""
    if period.days <= _DAYS_BY_HOUR:
        return HOURS
    if period.days <= _DAYS_BY_QUARTER:
        return QUARTERS
    return DAYS if period.days <= _DAYS_BY_DAY else WEEKS


def bins(hours: Iterable[int], step: Step) -> Iterator[list[int]]:
    """Yield *hours*, bin by bin."""
    for _, members in groupby(hours, lambda hour: step.key(time.localtime(hour * HOUR_S))):
        yield [*members]
