# SPDX-License-Identifier: ISC
"""The words of the protocol."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.relay import wire

SESSION = b"52c503ee57499eb6"
TOKEN = b"dae86769bfadac79"

REPORTS = {
    "disconnect has no fields": (b"report|0.7|1.0|smtp-in|link-disconnect|%b", (b"link-disconnect", SESSION)),
    "bars in the name": (b"report|0.6|1.0|smtp-in|link-auth|%b|a|b|pass|fail", (b"link-auth", SESSION)),
    "unknown event": (b"report|0.9|1.0|smtp-in|link-new|%b|x", (b"link-new", SESSION)),
    "short session": (b"report|0.7|1.0|smtp-in|link-auth|52c5|fail|a", None),
    "no session": (b"report|0.7|1.0|smtp-in|link-auth", None),
    "request": (b"filter|0.7|1.0|smtp-in|auth|%b|" + TOKEN + b"|LOGIN", None),
    "empty": (b"", None),
}


@pytest.mark.parametrize(("line", "expected"), REPORTS.values(), ids=REPORTS.keys())
def test_report(line: bytes, expected: tuple[bytes, bytes] | None) -> None:
    """A report gives event and session, or nothing if the session cannot be read."""
    assert wire.parse_report(line.replace(b"%b", SESSION)) == expected


REQUESTS = {
    "auth": (b"filter|0.7|1.0|smtp-in|auth|%s|%t|PLAIN AGEAYg==", True),
    "empty argument": (b"filter|0.7|1.0|smtp-in|quit|%s|%t|", True),
    "no argument": (b"filter|0.7|1.0|smtp-in|quit|%s|%t", True),
    "unknown phase": (b"filter|0.9|1.0|smtp-in|new|%s|%t|x", True),
    "bars": (b"filter|0.7|1.0|smtp-in|mail-from|%s|%t|a|b|c", True),
    "capitals in the session": (b"filter|0.7|1.0|smtp-in|auth|52C503EE57499EB6|%t|x", False),
    "sign in the token": (b"filter|0.7|1.0|smtp-in|auth|%s|+ae86769bfadac79|x", False),
    "trailing CR": (b"filter|0.7|1.0|smtp-in|quit|%s|%t\r", False),
    "long token": (b"filter|0.7|1.0|smtp-in|auth|%s|%t0|x", False),
    "no token": (b"filter|0.7|1.0|smtp-in|auth|%s", False),
    "report": (b"report|0.7|1.0|smtp-in|link-auth|%s|%t", False),
}


@pytest.mark.parametrize(("line", "readable"), REQUESTS.values(), ids=REQUESTS.keys())
def test_request(line: bytes, readable: bool) -> None:
    """A request is readable if its session and token are 16 lower-case hex digits each."""
    line = line.replace(b"%s", SESSION).replace(b"%t", TOKEN)
    assert wire.parse_request(line) == ((SESSION, TOKEN) if readable else None)


DECISIONS = {
    b"proceed": True,
    b"reject|550 5.7.1 no": True,
    b"disconnect|421 4.7.0 a|b % \\": True,
    b"disconnect|421 " + b"x" * 496: True,
    b"disconnect|421 " + b"x" * 497: False,
    b"": False,
    b"proceed|": False,
    b"proceed|x": False,
    b"Proceed": False,
    b"proceed\r": False,
    b"proceed\x00": False,
    b"reject": False,
    b"reject|": False,
    b"reject|550": False,
    b"reject|550 ": False,
    b"reject|550   ": False,
    b"reject|550-5.7.1 no": False,
    b"reject|250 ok": False,
    b"reject|5xx no": False,
    b"reject|5\xb9\xb2 no": False,
    b"reject|550 caf\xc3\xa9": False,
    b"reject|550 a\tb": False,
    b"reject|550 a\r": False,
    b"junk": False,
    b"rewrite|x": False,
    b"report|x": False,
}


@pytest.mark.parametrize(("decision", "legal"), DECISIONS.items())
def test_result(decision: bytes, legal: bool) -> None:
    """Only proceed, and reject or disconnect with one well-formed reply, are results; each reads back as written."""
    line = wire.encode_result(SESSION, TOKEN, decision)
    assert wire.parse_result(line[:-1]) == ((SESSION, TOKEN, decision) if legal else None)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"filter-result",
        b"filter-result|a|b|proceed",
        b"filter-dataline|%b|%b|x",
        b"register|ready",
        b"\xff\x00",
    ],
)
def test_garbage_is_no_result(line: bytes) -> None:
    """A line that is no filter-result with readable ids is none."""
    assert wire.parse_result(line) is None


@given(st.binary(max_size=80) | st.text("filter-sulporcd|0123456789 ", max_size=80).map(str.encode))
def test_parsers_are_total(line: bytes) -> None:
    """No bytes make a parser raise."""
    wire.parse_report(line)
    wire.parse_request(line)
    wire.parse_result(line)
    wire.is_reply(line)


def test_registration() -> None:
    """Only what is needed is registered; never protocol-client or -server, which carry floods and secrets."""
    assert wire.REGISTRATION.decode().splitlines() == [
        "register|report|smtp-in|link-connect",
        "register|report|smtp-in|link-tls",
        "register|report|smtp-in|link-identify",
        "register|report|smtp-in|link-auth",
        "register|report|smtp-in|link-disconnect",
        "register|filter|smtp-in|connect",
        "register|filter|smtp-in|auth",
        "register|filter|smtp-in|mail-from",
        "register|ready",
    ]
