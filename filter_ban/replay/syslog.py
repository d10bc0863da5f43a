# SPDX-License-Identifier: ISC
"""
Lines of a log: time, program and text.

Understood are the BSD form (RFC 3164, 4.1.2; no year), RFC 5424, ISO 8601 time stamps in its place (rsyslog, journald's
``short-iso``, Dovecot's own log), and lines without a stamp, which have the time of the line before. A time without a
zone is taken to be UTC, so that the same log gives the same bans on any machine.
"""

import calendar
import re
import time
from datetime import UTC, datetime
from typing import Final, NamedTuple

DAY_S: Final = 86_400
_MONTHS: Final = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_BSD: Final = re.compile(r"([A-Z][a-z]{2} [ \d]\d) (\d\d):(\d\d):(\d\d)(?:\.\d+)? ")
_ISO: Final = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:?\d\d)? ")
_PRIORITY: Final = re.compile(r"<\d{1,3}>(1 )?")
_RFC5424_REST: Final = re.compile(r"\S+ (\S+) (\S+) \S+ (?:-|(?:\[(?:[^\]\\]|\\.)*\])+) ?\ufeff?(.*)")
_TAG: Final = re.compile(r"(?:[\w.:%-]*[\w.%-] )?([\w./-]+)(?:\[(\d+)\])?: (.*)", re.ASCII)


class Entry(NamedTuple):
    """A line of a log; ``program`` is empty where it does not say, ``process`` is its number as text."""

    time_s: float
    program: str
    process: str
    text: str


class LineParser:
    """
    Turns the lines of one log into entries.

    Args:
        year: Of the first line, where lines have no year; None: the latest that is not in the future.
        now_s: What is the future: the time of the log's last change.

    """

    def __init__(self, year: int | None, now_s: float) -> None:
        self._year = year
        self._now_s = now_s
        self._time_s = 0.0
        self._stamp = ""  # the last one that was converted, and to what
        self._stamp_s = 0.0
        self._date = ""
        self._midnight_s = 0

    def parse(self, line: str) -> Entry:
        """Return the entry on *line*, which has no line end."""
        priority = _PRIORITY.match(line)
        if priority is not None:
            line = line[priority.end() :]
        rest = self._read_stamp(line)
        if priority is not None and priority[1] and (fields := _RFC5424_REST.match(rest)):
            return Entry(self._time_s, fields[1], fields[2], fields[3])
        tag = _TAG.match(rest)
        if tag is None:
            return Entry(self._time_s, "", "", rest)
        return Entry(self._time_s, tag[1], tag[2] or "", tag[3])

    def _read_stamp(self, line: str) -> str:
        """Take the time from *line* and return what follows it."""
        if match := _BSD.match(line):
            date, hour, minute, second = match.groups()
            if date == self._date or self._turn_to(date):
                self._time_s = self._midnight_s + int(hour) * 3600 + int(minute) * 60 + int(second)
                return line[match.end() :]
        elif match := _ISO.match(line):
            stamp = line[: match.end() - 1]
            if stamp != self._stamp:
                try:
                    moment = datetime.fromisoformat(stamp)
                except ValueError:
                    return line
                self._stamp = stamp
                self._stamp_s = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
            self._time_s = self._stamp_s
            return line[match.end() :]
        return line

    def _turn_to(self, date: str) -> bool:
        """Begin the day *date*, such as ``Nov  9``; return False where there is no such day."""
        month, day = _MONTHS.get(date[:3]), int(date[4:])
        if month is None or not 1 <= day <= 31:  # noqa: PLR2004 - days of a month
            return False
        if self._date:
            year = time.gmtime(self._midnight_s).tm_year
            midnights = [calendar.timegm((year + step, month, day, 0, 0, 0)) for step in (-1, 0, 1)]
            self._midnight_s = min(midnights, key=lambda midnight_s: abs(midnight_s - self._midnight_s))
        else:
            year = self._year or time.gmtime(self._now_s + DAY_S).tm_year
            self._midnight_s = calendar.timegm((year, month, day, 0, 0, 0))
            if self._year is None and self._midnight_s > self._now_s + DAY_S:
                self._midnight_s = calendar.timegm((year - 1, month, day, 0, 0, 0))
        self._date = date
        return True
