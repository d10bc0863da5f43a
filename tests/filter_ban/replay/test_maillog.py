# SPDX-License-Identifier: ISC
"""Whole logs, as real servers wrote them while known clients did known things."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.replay.maillog import Maillog
from filter_ban.replay.syslog import LineParser
from tests.filter_ban.replay.reading import read

LOGS = Path(__file__).parent / "logs"

# How many signals of which kind by whom. For Dovecot and OpenSMTPD the failed logins are those that the same servers
# reported live; an AUTH that was malformed they do not report.
EXPECTED = {
    "dovecot-2.3-odd": {
        ("10.98.0.60", "auth-fail"): 1,
        ("10.98.0.61", "auth-abort"): 1,
        ("10.98.0.62", "auth-abort"): 1,
        ("10.98.0.62", "auth-fail"): 2,
        ("10.98.0.63", "auth-fail"): 1,
        ("10.98.0.63", "unknown-user"): 7,
    },
    "dovecot-2.3-refuse": {},
    "dovecot-2.3-report-only": {
        ("10.98.0.20", "auth-pass"): 1,
        ("10.98.0.21", "auth-pass"): 1,
        ("10.98.0.22", "auth-fail"): 1,
        ("10.98.0.23", "auth-fail"): 1,
        ("10.98.0.24", "unknown-user"): 1,
        ("10.98.0.26", "auth-pass"): 1,
        ("10.98.0.27", "auth-fail"): 1,
        ("10.98.0.28", "unknown-user"): 1,
        ("fd00:98::25", "auth-fail"): 1,
    },
    "dovecot-2.3-timing": {
        ("10.98.0.50", "auth-fail"): 3,
        ("10.98.0.50", "auth-pass"): 1,
        ("10.98.0.51", "auth-fail"): 3,
    },
    "dovecot-2.4-fail-types": {
        ("10.98.0.20", "auth-fail"): 8,
        ("10.98.0.20", "auth-pass"): 3,
        ("10.98.0.20", "unknown-user"): 1,
        ("10.98.0.21", "auth-fail"): 1,
        ("10.98.0.22", "auth-pass"): 2,
    },
    "dovecot-2.4-odd": {
        ("10.98.0.60", "auth-fail"): 1,
        ("10.98.0.61", "auth-abort"): 1,
        ("10.98.0.62", "auth-abort"): 1,
        ("10.98.0.62", "auth-fail"): 2,
        ("10.98.0.63", "auth-fail"): 3,
        ("10.98.0.63", "unknown-user"): 5,
    },
    "dovecot-2.4-refuse": {},
    "dovecot-2.4-report-only": {
        ("10.98.0.20", "auth-pass"): 1,
        ("10.98.0.21", "auth-pass"): 1,
        ("10.98.0.22", "auth-fail"): 1,
        ("10.98.0.23", "auth-fail"): 1,
        ("10.98.0.24", "unknown-user"): 1,
        ("10.98.0.26", "auth-pass"): 1,
        ("10.98.0.27", "auth-fail"): 1,
        ("10.98.0.28", "unknown-user"): 1,
        ("fd00:98::25", "auth-fail"): 1,
    },
    "opensmtpd-6.8-no-tls": {("10.99.0.18", "no-tls"): 4},
    "opensmtpd-6.8-odd": {("10.99.0.16", "auth-abort"): 2, ("10.99.0.16", "auth-fail"): 22},
    "opensmtpd-7.8-aborted": {("10.99.0.17", "auth-fail"): 2},
    "opensmtpd-7.8-ipv6": {("[fd00:99::10]", "auth-fail"): 1, ("[fd00:99::15]", "auth-pass"): 1},
    "opensmtpd-7.8-malformed": {("10.99.0.16", "auth-abort"): 16},
    "opensmtpd-7.8-no-tls": {("10.99.0.18", "no-tls"): 4},
    "opensmtpd-7.8-not-offered": {("10.99.0.19", "auth-abort"): 4},
    "opensmtpd-7.8-odd": {("10.99.0.16", "auth-abort"): 4, ("10.99.0.16", "auth-fail"): 20},
    "opensmtpd-7.8-relay": {("10.99.0.20", "relay-attempt"): 1},
    "opensmtpd-7.8-wrong-then-right": {("10.99.0.15", "auth-fail"): 3, ("10.99.0.15", "auth-pass"): 1},
    "postfix-3.12-lost-connection": {
        ("10.98.0.20", "auth-fail"): 1,
        ("10.98.0.21", "auth-fail"): 1,
        ("10.98.0.22", "auth-fail"): 1,
        ("10.98.0.23", "auth-abort"): 1,
        ("10.98.0.24", "auth-abort"): 2,
    },
    "postfix-3.12-no-tls": {("10.98.0.20", "no-tls"): 1, ("10.98.0.21", "no-tls"): 1},
    "postfix-3.12-rate-limit": {("10.98.0.66", "auth-fail"): 3, ("10.98.0.67", "auth-pass"): 1},
    "postfix-3.12-relay": {("10.98.0.20", "relay-attempt"): 1, ("10.98.0.21", "auth-abort"): 1},
    "postfix-3.7-lost-connection": {
        ("10.98.0.20", "auth-fail"): 1,
        ("10.98.0.21", "auth-fail"): 1,
        ("10.98.0.22", "auth-fail"): 1,
        ("10.98.0.23", "auth-abort"): 1,
        ("10.98.0.24", "auth-abort"): 2,
    },
    "postfix-3.7-not-offered": {
        ("10.98.0.20", "auth-fail"): 2,
        ("10.98.0.20", "auth-pass"): 2,
        ("10.98.0.66", "auth-abort"): 4,
    },
}


@pytest.mark.parametrize("name", EXPECTED)
def test_log(name: str) -> None:
    """A log gives the right clients and kinds, each failure once."""
    lines = (LOGS / f"{name}.log").read_text().splitlines()
    assert Counter((address, kind.value) for kind, address, _, _ in read(lines)) == EXPECTED[name]


def test_each_log_is_expected() -> None:
    """Each log is read."""
    assert {file.stem for file in LOGS.iterdir()} == EXPECTED.keys()


def test_unknown_lines() -> None:
    """Lines of other programs are counted, those of other parts of mail servers are not."""
    maillog, parser = Maillog(), LineParser(2026, 0)
    for line in ("mx kernel: x", "x", "", "mx postfix/cleanup[1]: x", "mx dovecot: x", "mx smtpd[1]: x"):
        maillog.read(parser.parse(line))
    assert maillog.unknown == 3


WORDS = st.sampled_from(
    [
        *(
            "mx",
            "postfix/smtpd[1]:",
            "dovecot:",
            "smtpd[1]:",
            "auth:",
            "imap-login:",
            "warning:",
            "SASL PLAIN",
        ),
        *("unknown[192.0.2.7]:", "connect from unknown[192.0.2.7]", "authentication failed:", "user=<x>,"),
        *(
            "rip=192.0.2.7,",
            "673bbb7872446524 smtp",
            "authentication user=x result=permfail",
            "auth=0/9",
            "\0",
        ),
    ]
)


@given(st.lists(st.lists(st.one_of(WORDS, st.text()), max_size=8).map(" ".join), max_size=5))
def test_any_line(lines: list[str]) -> None:
    """No line is an error."""
    read(lines)
