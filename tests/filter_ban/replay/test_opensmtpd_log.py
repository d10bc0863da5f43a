# SPDX-License-Identifier: ISC
"""Signals from OpenSMTPD's log."""

import pytest

from filter_ban.model import Kind
from filter_ban.replay.log_reader import MAX_SESSIONS
from filter_ban.replay.maillog import Maillog
from filter_ban.replay.syslog import Entry
from tests.filter_ban.replay.reading import read

SESSION = "673bbb7872446524"
OPENING = f"{SESSION} smtp connected address=10.99.0.15 host=<unknown>"
FAILURE = f"{SESSION} smtp authentication user=alice@example.org result=permfail"
REFUSAL = f'{SESSION} smtp failed-command command="AUTH PLAIN (...)" result="535 Authentication failed"'
ALICE = (Kind.AUTH_FAIL, "10.99.0.15", "opensmtpd", "alice@example.org")
NOBODY = (Kind.AUTH_FAIL, "10.99.0.15", "opensmtpd", "")
ABORT = (Kind.AUTH_ABORT, "10.99.0.15", "opensmtpd", "")

# lines without their session, and what they tell
CASES = {
    "one failure is two lines": ([FAILURE, REFUSAL], [ALICE]),
    "each failure counts": ([FAILURE, REFUSAL] * 3, [ALICE] * 3),
    "the name has a control character": ([f"{SESSION} smtp authentication user=cr", REFUSAL], [NOBODY]),
    "success": (
        [f"{SESSION} smtp authentication user=alice@example.org result=ok"],
        [(Kind.AUTH_PASS, "10.99.0.15", "opensmtpd", "alice@example.org")],
    ),
    "the server could not look": ([f"{SESSION} smtp authentication user=alice result=tempfail"], []),
    "cancelled": (
        [f'{SESSION} smtp failed-command command="AUTH LOGIN (username)" result="501 5.5.2 Syntax error"'],
        [ABORT],
    ),
    "not offered": (
        [f'{SESSION} smtp failed-command command="AUTH PLAIN AHUA" result="503 5.5.1 Invalid command"'],
        [ABORT],
    ),
    "AUTH after a login": (
        [
            f"{SESSION} smtp authentication user=alice result=ok",
            f'{SESSION} smtp failed-command command="AUTH LOGIN" result="503 5.5.1 Already authenticated"',
        ],
        [(Kind.AUTH_PASS, "10.99.0.15", "opensmtpd", "alice")],
    ),
    "a line that was cut": ([REFUSAL[:60]], []),
    "another command": (
        [f'{SESSION} smtp failed-command command="XYZZY" result="500 5.5.1 Invalid command"'],
        [],
    ),
    "MAIL without a login, once a session": (
        [
            (
                f'{SESSION} smtp failed-command command="MAIL FROM:<x@spam.example>" '
                'result="530 5.5.1 Invalid command: Must issue an AUTH command first"'
            )
        ]
        * 2,
        [(Kind.RELAY_ATTEMPT, "10.99.0.15", "opensmtpd", "")],
    ),
    "no handshake": (
        [
            (
                f'{SESSION} smtp disconnected reason="io-error: handshake failed: error:0A00010B:'
                'SSL routines::wrong version number"'
            )
        ],
        [(Kind.NO_TLS, "10.99.0.15", "opensmtpd", "")],
    ),
    "the end of a good handshake's session": (
        [
            f"{SESSION} smtp tls ciphers=TLSv1.3:TLS_AES_256_GCM_SHA384:256",
            f'{SESSION} smtp disconnected reason="io-error: error:0A000126:SSL routines::unexpected eof"',
        ],
        [],
    ),
}


@pytest.mark.parametrize(("lines", "told"), CASES.values(), ids=CASES.keys())
def test_lines(lines: list[str], told: list[tuple[Kind, str, str, str]]) -> None:
    """Each kind of line tells what it must, with syslog's head and without."""
    assert read([OPENING, *lines]) == told
    assert read(f"Nov 20 10:00:00 mx smtpd[812]: {line}" for line in (OPENING, *lines)) == told


def test_address_on_the_line() -> None:
    """Logs before 6.4 say the address on each line."""
    lines = [
        f"{SESSION} smtp event=authentication user=bob address=192.0.2.7 host=x.example result=permfail",
        (
            f'{SESSION} smtp event=failed-command address=192.0.2.7 host=x.example command="AUTH LOGIN (password)" '
            'result="535 Authentication failed"'
        ),
    ]
    assert read(lines) == [(Kind.AUTH_FAIL, "192.0.2.7", "opensmtpd", "bob")]


def test_unknown_session() -> None:
    """A failure in a session whose beginning is not in the log is left out, and counted."""
    maillog = Maillog()
    assert maillog.read(Entry(0, "smtpd", "1", FAILURE)) == []
    assert maillog.lost == 1


def test_sessions_are_bounded() -> None:
    """Sessions that never end are forgotten, the oldest first."""
    maillog = Maillog()
    for number in range(MAX_SESSIONS + 1):
        maillog.read(Entry(0, "smtpd", "1", f"{number:016x} smtp connected address=192.0.2.7 host=x"))
    maillog.read(Entry(0, "smtpd", "1", f"{0:016x} smtp authentication user=a result=permfail"))
    assert maillog.lost == 1
