# SPDX-License-Identifier: ISC
"""Time stamps and programs of log lines."""

import calendar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.replay.syslog import Entry, LineParser

NOW_S = calendar.timegm((2026, 11, 21, 12, 0, 0))
AT_S = calendar.timegm((2026, 11, 20, 10, 0, 9))
FORMS = {
    "BSD": ("Nov 20 10:00:09 mx postfix/smtpd[12]: x: y", (AT_S, "postfix/smtpd", "12", "x: y")),
    "BSD with priority": ("<22>Nov 20 10:00:09 mx dovecot: x", (AT_S, "dovecot", "", "x")),
    "BSD without host": ("Nov 20 10:00:09 imap-login: Info: x", (AT_S, "imap-login", "", "Info: x")),
    "BSD, one digit": ("Nov  1 10:00:09 mx smtpd[1]: x", (AT_S - 19 * 86_400, "smtpd", "1", "x")),
    "host with colons": ("Nov 20 10:00:09 2001:db8::1 smtpd[1]: x", (AT_S, "smtpd", "1", "x")),
    "RFC 5424": (
        '<22>1 2026-11-20T10:00:09.5Z mx postfix/smtpd 12 - [a@1 b="\\]c"] x: y',
        (AT_S + 0.5, "postfix/smtpd", "12", "x: y"),
    ),
    "RFC 5424, bare": ("<22>1 2026-11-20T11:00:09+01:00 mx smtpd 12 - - x", (AT_S, "smtpd", "12", "x")),
    "ISO": ("2026-11-20T11:00:09.250000+01:00 mx smtpd[1]: x", (AT_S + 0.25, "smtpd", "1", "x")),
    "journald short-iso": ("2026-11-20T10:00:09+0000 mx smtpd[1]: x", (AT_S, "smtpd", "1", "x")),
    "ISO with a blank": ("2026-11-20 10:00:09 auth: Info: x", (AT_S, "auth", "", "Info: x")),
    "no stamp": ("mx postfix/smtpd[1]: x", (0, "postfix/smtpd", "1", "x")),
    "no program": ("4b19c6dfc131283e smtp tls: x", (0, "", "", "4b19c6dfc131283e smtp tls: x")),
    "no such day": ("Nov 32 10:00:09 mx smtpd[1]: x", (0, "", "", "Nov 32 10:00:09 mx smtpd[1]: x")),
    "no such month": ("Foo 20 10:00:09 mx smtpd[1]: x", (0, "", "", "Foo 20 10:00:09 mx smtpd[1]: x")),
    "no such hour": ("2026-11-20T25:00:09 smtpd: x", (0, "smtpd", "", "x")),
    "a name that looks like a program": (
        "Nov 20 10:00:09 auth(x imap-login: Login: user=<y>)",
        (AT_S, "", "", "auth(x imap-login: Login: user=<y>)"),
    ),
    "empty": ("", (0, "", "", "")),
}


@pytest.mark.parametrize(("line", "entry"), FORMS.values(), ids=FORMS.keys())
def test_forms(line: str, entry: tuple[float, str, str, str]) -> None:
    """Each form gives time, program, process and text."""
    assert LineParser(None, NOW_S).parse(line) == Entry(*entry)


YEARS = {
    "this year": (None, ["Nov 20"], [(2026, 11, 20)]),
    "today's log from a zone ahead": (None, ["Nov 22"], [(2026, 11, 22)]),
    "not in the future": (None, ["Dec 28"], [(2025, 12, 28)]),
    "the turn of the year": (None, ["Dec 31", "Jan  1"], [(2025, 12, 31), (2026, 1, 1)]),
    "one line late": (2020, ["Dec 31", "Jan  1", "Dec 31"], [(2020, 12, 31), (2021, 1, 1), (2020, 12, 31)]),
    "said": (2020, ["Feb 29", "Mar  1"], [(2020, 2, 29), (2020, 3, 1)]),
}


@pytest.mark.parametrize(("year", "dates", "days"), YEARS.values(), ids=YEARS.keys())
def test_year(year: int | None, dates: list[str], days: list[tuple[int, int, int]]) -> None:
    """The first line's year is said, or the latest that is not in the future; the others follow it closely."""
    parser = LineParser(year, NOW_S)
    times_s = [parser.parse(f"{date} 00:00:00 mx smtpd: x").time_s for date in dates]
    assert times_s == [calendar.timegm((*day, 0, 0, 0)) for day in days]


def test_no_stamp() -> None:
    """A line without a stamp has the time of the one before."""
    parser = LineParser(None, NOW_S)
    parser.parse("Nov 20 10:00:09 mx smtpd[1]: x")
    assert parser.parse("mx smtpd[1]: y").time_s == AT_S


@given(
    st.lists(
        st.one_of(st.text(), st.from_regex(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d .*|\d{4}-\d\d-\d\dT.*")),
        max_size=5,
    )
)
def test_any_line(lines: list[str]) -> None:
    """No line is an error."""
    parser = LineParser(None, NOW_S)
    for line in lines:
        parser.parse(line)
