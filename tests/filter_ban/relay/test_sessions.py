# SPDX-License-Identifier: ISC
"""The live sessions."""

import pytest

from filter_ban.relay.sessions import MAX_REPORT_BYTES, Sessions

A, B, C = b"a" * 16, b"b" * 16, b"c" * 16

OPENINGS = {
    "smtps": (["link-connect 1", "link-tls 2", "link-identify 3"], b"1\n2\n3\n"),
    "STARTTLS voids what was said before": (
        ["link-connect 1", "link-identify 2", "link-tls 3", "link-identify 4"],
        b"1\n3\n4\n",
    ),
    "the last EHLO counts": (["link-connect 1", "link-identify 2", "link-identify 3"], b"1\n3\n"),
    "other reports leave no trace": (["link-connect 1", "link-auth 2", "tx-begin 3"], b"1\n"),
    "a session begins anew": (["link-connect 1", "link-tls 2", "link-connect 3"], b"3\n"),
}


@pytest.mark.parametrize(("reports", "expected"), OPENINGS.values(), ids=OPENINGS.keys())
def test_opening(reports: list[str], expected: bytes) -> None:
    """The opening of a session is link-connect, link-tls and the last link-identify, as they were read."""
    sessions = Sessions()
    for event, _, line in (report.partition(" ") for report in reports):
        sessions.report(event.encode(), A, line.encode())
    assert sessions.openings() == [expected]


def test_disconnect_forgets() -> None:
    """A session that has ended is forgotten, with what it waited."""
    sessions = Sessions()
    sessions.report(b"link-connect", A, b"1")
    sessions.charge(A, 0.5)
    sessions.report(b"link-disconnect", A, b"2")
    assert (sessions.openings(), sessions.waited_s(A)) == ([], 0.0)


def test_waits_add_up() -> None:
    """The waits of a session add up, also if its opening was never seen."""
    sessions = Sessions()
    sessions.charge(A, 0.25)
    sessions.charge(A, 0.5)
    assert (sessions.waited_s(A), sessions.waited_s(B)) == (0.75, 0.0)


def test_too_many_sessions() -> None:
    """Above the limit the oldest session is forgotten first."""
    sessions = Sessions(max_sessions=2)
    for session in (A, B, C):
        sessions.report(b"link-connect", session, session)
    assert sessions.openings() == [B + b"\n", C + b"\n"]


def test_too_many_bytes() -> None:
    """The openings together stay below their limit, whatever the names that clients give."""
    sessions = Sessions(max_bytes=1000)
    for session in (A, B, C):
        sessions.report(b"link-connect", session, b"x" * 400)
    for size in (10, 300, 10, 50):
        sessions.report(b"link-identify", C, b"y" * size)
    assert sum(map(len, sessions.openings())) == 401 + 51


def test_huge_report() -> None:
    """A report longer than smtpd's own is no part of an opening."""
    sessions = Sessions()
    sessions.report(b"link-connect", A, b"x" * (MAX_REPORT_BYTES + 1))
    assert sessions.openings() == []
