# SPDX-License-Identifier: ISC
"""Signals from Postfix's log."""

import pytest

from filter_ban.model import Kind
from tests.filter_ban.replay.reading import Told, read

CLIENT = "unknown[192.0.2.7]"
CONNECT = f"connect from {CLIENT}"
WRONG = f"warning: {CLIENT}: SASL PLAIN authentication failed: "
RELAY = f"NOQUEUE: reject: RCPT from {CLIENT}: 554 5.7.1 <v@example.com>: "
TAIL = "from=<s@example.net> to=<v@example.com> proto=ESMTP helo=<x>"


def told(kind: Kind, user: str = "", service: str = "submission") -> Told:
    """Return what a line tells."""
    return kind, "192.0.2.7", f"postfix {service}", user


ABORT = told(Kind.AUTH_ABORT)
FAIL = told(Kind.AUTH_FAIL, "alice")
CASES: dict[str, tuple[list[str], list[Told]]] = {
    "failure": ([f"{WRONG}(reason unavailable), sasl_username=alice"], [FAIL]),
    "failure with LOGIN, before 3.5": (
        [f"warning: {CLIENT}: SASL LOGIN authentication failed: UGFzc3dvcmQ6"],
        [told(Kind.AUTH_FAIL)],
    ),
    "failure by Cyrus SASL": ([f"{WRONG}authentication failure"], [told(Kind.AUTH_FAIL)]),
    "no name": ([f"{WRONG}(reason unavailable), sasl_username=(unavailable)"], [told(Kind.AUTH_FAIL)]),
    "a name that lies": (
        [f"{WRONG}(reason unavailable), sasl_username=x, sasl_username=y[203.0.113.1]: SASL"],
        [told(Kind.AUTH_FAIL, "x, sasl_username=y[203.0.113.1]: SASL")],
    ),
    "a client with a name and a port": (
        [
            "warning: mail.example.net[2001:db8::7]:4711: SASL PLAIN authentication failed: (reason unavailable)"
        ],
        [(Kind.AUTH_FAIL, "2001:db8::7", "postfix submission", "")],
    ),
    "cancelled": ([f"warning: {CLIENT}: SASL LOGIN authentication aborted"], [ABORT]),
    "malformed": ([f"{WRONG}Invalid base64 data in initial response, sasl_username=(unavailable)"], [ABORT]),
    "mechanism not offered": (
        [f"warning: {CLIENT}: SASL CRAM-MD5 authentication failed: Invalid authentication mechanism"],
        [ABORT],
    ),
    "Dovecot is gone": (
        [f"{WRONG}Connection lost to authentication server, sasl_username=(unavailable)"],
        [],
    ),
    "refused by us": (
        [f"{WRONG}192.0.2.7 refused until 2026-11-21 05:29 UTC after 5 failed logins, reference N1JEWVHY"],
        [],
    ),
    "dropped after a failure": (
        [
            CONNECT,
            f"{WRONG}(reason unavailable), sasl_username=alice",
            f"NOQUEUE: lost connection after AUTH from {CLIENT}",
            f"disconnect from {CLIENT} ehlo=2 starttls=1 auth=0/1 commands=3/4",
        ],
        [FAIL],
    ),
    "dropped in AUTH": (
        [
            CONNECT,
            f"lost connection after AUTH from {CLIENT}",
            f"disconnect from {CLIENT} ehlo=2 starttls=1 auth=0/1 commands=3/4",
        ],
        [ABORT],
    ),
    "dropped in AUTH, before 3.0": (
        [CONNECT, f"lost connection after AUTH from {CLIENT}", f"disconnect from {CLIENT}"],
        [ABORT],
    ),
    "pipelining": ([CONNECT, f"improper command pipelining after AUTH from {CLIENT}: QUIT\\r\\n"], [ABORT]),
    "not offered, and told by nothing else": (
        [CONNECT, f"disconnect from {CLIENT} ehlo=1 auth=0/2 quit=1 commands=2/4"],
        [ABORT] * 2,
    ),
    "a rate limit": (
        [
            CONNECT,
            f"warning: AUTH command rate limit exceeded: 4 from {CLIENT} for service 587",
            f"disconnect from {CLIENT} ehlo=2 starttls=1 auth=0/1 quit=1 commands=4/5",
        ],
        [],
    ),
    "a refused session": (
        [
            CONNECT,
            f"NOQUEUE: reject: CONNECT from {CLIENT}: 521 5.7.1 <{CLIENT}>: Client host rejected: x; proto=SMTP",
            f"disconnect from {CLIENT} ehlo=0/1 auth=0/2 mail=0/1 quit=1 commands=1/5",
        ],
        [],
    ),
    "login": (
        [
            CONNECT,
            *[f"A1D532148EA: client={CLIENT}, sasl_method=PLAIN, sasl_username=alice"] * 2,
            f"disconnect from {CLIENT} ehlo=2 starttls=1 auth=1 mail=2 rcpt=2 data=2 quit=1 commands=11",
        ],
        [told(Kind.AUTH_PASS, "alice")],
    ),
    "login without a message": (
        [CONNECT, f"disconnect from {CLIENT} ehlo=2 starttls=1 auth=1 quit=1 commands=5"],
        [told(Kind.AUTH_PASS)],
    ),
    "mail from another server": ([CONNECT, f"566302149CB: client={CLIENT}"], []),
    "relaying without a login": (
        [CONNECT, *[f"{RELAY}Recipient address rejected: Access denied; {TAIL}"] * 2],
        [told(Kind.RELAY_ATTEMPT)],
    ),
    "rejected with a login": (
        [f"{RELAY}Recipient address rejected: Access denied; {TAIL} sasl_method=PLAIN sasl_username=alice"],
        [],
    ),
    "rejected for another reason": ([f"{RELAY}Recipient address rejected: User unknown; {TAIL}"], []),
    "no handshake": (
        [
            CONNECT,
            f"SSL_accept error from {CLIENT}: -1",
            f"NOQUEUE: lost connection after CONNECT from {CLIENT}",
            f"disconnect from {CLIENT} commands=0/0",
        ],
        [told(Kind.NO_TLS)],
    ),
}


@pytest.mark.parametrize(("lines", "signals"), CASES.values(), ids=CASES.keys())
def test_lines(lines: list[str], signals: list[Told]) -> None:
    """Each kind of line tells what it must, and what several lines tell is counted once."""
    assert read(f"Nov 20 10:00:00 mx postfix/submission/smtpd[11]: {line}" for line in lines) == signals


SERVICES: dict[str, tuple[str, str, list[Told]]] = {
    "access denied to port 25": (
        "postfix/smtpd",
        f"{RELAY}Recipient address rejected: Access denied; {TAIL}",
        [],
    ),
    "relaying through port 25": (
        "postfix/smtpd",
        f"{RELAY}Relay access denied; {TAIL}",
        [told(Kind.RELAY_ATTEMPT, service="smtp")],
    ),
    "smtps, left without a handshake": (
        "postfix/smtps/smtpd",
        f"lost connection after CONNECT from {CLIENT}",
        [told(Kind.NO_TLS, service="smtps")],
    ),
    "submission, left at once": (
        "postfix/submission/smtpd",
        f"lost connection after CONNECT from {CLIENT}",
        [],
    ),
    "another instance": ("postfix-out/smtpd", f"{WRONG}x", [told(Kind.AUTH_FAIL, service="postfix-out")]),
    "another program": ("postfix/smtp", f"{WRONG}x", []),
}


@pytest.mark.parametrize(("program", "line", "signals"), SERVICES.values(), ids=SERVICES.keys())
def test_services(program: str, line: str, signals: list[Told]) -> None:
    """What a line means depends on the service."""
    assert read([f"Nov 20 10:00:00 mx {program}[11]: {line}"]) == signals


def test_sessions_are_told_apart() -> None:
    """Processes serve sessions side by side, and one after another."""
    lines = [
        "mx postfix/smtpd[1]: connect from unknown[192.0.2.7]",
        "mx postfix/smtpd[2]: connect from unknown[192.0.2.8]",
        "mx postfix/smtpd[1]: warning: unknown[192.0.2.7]: SASL PLAIN authentication failed: x",
        "mx postfix/smtpd[2]: disconnect from unknown[192.0.2.8] ehlo=1 auth=0/1 commands=1/2",
        "mx postfix/smtpd[1]: disconnect from unknown[192.0.2.7] ehlo=1 auth=0/1 commands=1/2",
        "mx postfix/smtpd[1]: connect from unknown[192.0.2.7]",
        "mx postfix/smtpd[1]: disconnect from unknown[192.0.2.7] ehlo=1 auth=0/1 commands=1/2",
    ]
    assert [(kind, address) for kind, address, _, _ in read(lines)] == [
        (Kind.AUTH_FAIL, "192.0.2.7"),
        (Kind.AUTH_ABORT, "192.0.2.8"),
        (Kind.AUTH_ABORT, "192.0.2.7"),
    ]
