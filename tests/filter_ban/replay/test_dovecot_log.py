# SPDX-License-Identifier: ISC
"""Signals from Dovecot's log."""

import pytest

from filter_ban.model import Kind
from tests.filter_ban.replay.reading import Told, read

END = "lip=10.98.0.1, TLS, session=<vZFNvL9gx4sKYgAa>"
SUMMED_23 = (
    "imap-login: Info: Disconnected: Aborted login by logging out (auth failed, 3 attempts in 2 secs): "
    f"user=<alice>, method=PLAIN, rip=192.0.2.7, {END}"
)
SUMMED_24 = (
    "imap-login: Info: Login aborted: Logged out (auth failed, 3 attempts in 2 secs) (auth_failed): "
    f"user=<alice>, method=PLAIN, rip=192.0.2.7, {END}"
)
MISMATCH_23 = "auth: Info: passwd-file(alice,192.0.2.7,<vZFNvL9gx4sKYgAa>): Password mismatch"
MISMATCH_24 = "auth(alice,192.0.2.7,sasl:plain)<vZFNvL9gx4sKYgAa>: Info: passwd-file: Password mismatch"


def told(kind: Kind, user: str = "alice", service: str = "dovecot") -> Told:
    """Return what a line tells."""
    return kind, "192.0.2.7", service, user


FAIL = told(Kind.AUTH_FAIL)
SUMMED = told(Kind.AUTH_FAIL, service="dovecot imap")
CASES: dict[str, tuple[list[str], list[Told]]] = {
    "sum, 2.3": ([SUMMED_23], [SUMMED] * 3),
    "sum, 2.4": ([SUMMED_24], [SUMMED] * 3),
    "sum and each, 2.3": ([MISMATCH_23, MISMATCH_23, MISMATCH_23, SUMMED_23], [FAIL] * 3),
    "sum and each, 2.4": ([MISMATCH_24, MISMATCH_24, MISMATCH_24, SUMMED_24], [FAIL] * 3),
    "sum and some": ([MISMATCH_24, SUMMED_24], [FAIL, SUMMED, SUMMED]),
    "refused by the policy server": (
        [
            "auth: Info: policy(alice,192.0.2.7,<vZFNvL9gx4sKYgAa>): Authentication failure due to policy server refusal",
            SUMMED_23.replace("3 attempts", "1 attempts"),
        ],
        [],
    ),
    "unknown user": (
        ["auth: Info: passwd-file(bob,192.0.2.7,<vZFNvL9gx4sKYgAa>): unknown user"],
        [told(Kind.UNKNOWN_USER, "bob")],
    ),
    "a worker, and a password that Dovecot should not log": (
        [
            (
                "auth-worker(812): Info: conn unix:auth-worker (pid=122,uid=115): auth-worker<7>: "
                "sql(alice,192.0.2.7,<vZFNvL9gx4sKYgAa>): Password mismatch (given password: 123456)"
            )
        ],
        [FAIL],
    ),
    "PAM": (
        [
            (
                "auth-worker(812): pam(alice,192.0.2.7,<vZFNvL9gx4sKYgAa>): pam_authenticate() failed: "
                "Authentication failure (Password mismatch?)"
            )
        ],
        [FAIL],
    ),
    "a name that lies": (
        [
            "auth: Info: passwd-file(x,203.0.113.1): unknown user,192.0.2.7,<vZFNvL9gx4sKYgAa>): Password mismatch"
        ],
        [told(Kind.AUTH_FAIL, "x,203.0.113.1): unknown user")],
    ),
    "a name with a blank, 2.4": (
        ["auth(sp ace,192.0.2.7,sasl:plain)<vZFNvL9gx4sKYgAa>: Info: passwd-file: unknown user"],
        [told(Kind.UNKNOWN_USER, "sp ace")],
    ),
    "no name": (
        ["auth(?,192.0.2.7,sasl:plain)<vZFNvL9gx4sKYgAa>: Info: plain: Empty username"],
        [told(Kind.AUTH_FAIL, "")],
    ),
    "the database is in trouble": (
        ["auth(alice,192.0.2.7,sasl:plain)<vZFNvL9gx4sKYgAa>: Error: passwd-file: Unknown scheme FROB"],
        [],
    ),
    "login, 2.3": (
        [f"imap-login: Info: Login: user=<alice>, method=PLAIN, rip=192.0.2.7, {END}"],
        [told(Kind.AUTH_PASS, service="dovecot imap")],
    ),
    "login, 2.4": (
        [f"pop3-login: Info: Logged in: user=<alice>, method=PLAIN, rip=192.0.2.7, {END}"],
        [told(Kind.AUTH_PASS, service="dovecot pop3")],
    ),
    "plain text not allowed": (
        [
            (
                "imap-login: Info: Disconnected (tried to use disallowed plaintext auth): "
                f"user=<>, rip=192.0.2.7, {END}"
            )
        ],
        [told(Kind.AUTH_ABORT, "", "dovecot imap")],
    ),
    "no name in the line": (
        [
            "imap-login: Info: Disconnected (auth failed, 1 attempts): method=PLAIN, rip=192.0.2.7, lip=10.98.0.1"
        ],
        [told(Kind.AUTH_FAIL, "", "dovecot imap")],
    ),
    "nothing after the address": (
        [
            "imap-login: Info: Aborted login (auth failed, 1 attempts in 2 secs): user=<alice>, method=PLAIN, rip=192.0.2.7"
        ],
        [SUMMED],
    ),
    "a name that lies, in a sum": (
        [
            (
                "imap-login: Info: Aborted login (auth failed, 1 attempts in 2 secs): "
                f"user=<x>, method=PLAIN, rip=203.0.113.1, lip=x>, method=PLAIN, rip=192.0.2.7, {END}"
            )
        ],
        [told(Kind.AUTH_FAIL, "x>, method=PLAIN, rip=203.0.113.1, lip=x", "dovecot imap")],
    ),
    "nothing tried": (
        [f"imap-login: Info: Disconnected (no auth attempts in 0 secs): user=<>, rip=192.0.2.7, {END}"],
        [],
    ),
    "after the login": (
        ["imap(alice)<1><vZFNvL9gx4sKYgAa>: Info: Disconnected: Logged out in=9 out=518"],
        [],
    ),
}


@pytest.mark.parametrize("head", ["", "Nov 20 10:00:00 ", "Nov 20 10:00:00 mx dovecot: "])
@pytest.mark.parametrize(("lines", "signals"), CASES.values(), ids=CASES.keys())
def test_lines(lines: list[str], signals: list[Told], head: str) -> None:
    """Each kind of line tells what it must, once, in syslog and in Dovecot's own log."""
    assert read(head + line for line in lines) == signals
    assert read(head + line.replace("Info: ", "") for line in lines) == signals


FOR_POSTFIX = "dovecot: auth: Info: passwd-file(bob,192.0.2.7): unknown user"
WARNING = (
    "mx postfix/submission/smtpd[1]: warning: unknown[192.0.2.7]: SASL PLAIN authentication failed: "
    "(reason unavailable), sasl_username=bob"
)
REFUSAL = (
    "dovecot: auth: Info: policy(bob,192.0.2.7): Authentication failure due to policy server refusal: no"
)


def test_postfix_and_dovecot() -> None:
    """A login through Postfix is in both logs: Postfix's line counts, and Dovecot's says what it was."""
    assert read([FOR_POSTFIX, WARNING]) == [(Kind.UNKNOWN_USER, "192.0.2.7", "postfix submission", "bob")]
    assert read([WARNING]) == [(Kind.AUTH_FAIL, "192.0.2.7", "postfix submission", "bob")]
    assert read([REFUSAL, WARNING]) == []


def test_dovecot_alone() -> None:
    """Where Postfix's log is not read, Dovecot's lines on its logins count."""
    assert read([FOR_POSTFIX, WARNING, REFUSAL], ["dovecot"]) == [told(Kind.UNKNOWN_USER, "bob")]


def test_postfix_alone() -> None:
    """Where Dovecot's log is not read, nothing of it counts."""
    assert read([FOR_POSTFIX, MISMATCH_23, WARNING], ["postfix"]) == [
        (Kind.AUTH_FAIL, "192.0.2.7", "postfix submission", "bob")
    ]


def test_old_checks() -> None:
    """What Dovecot said half a minute before is not about Postfix's line."""
    lines = [f"Nov 20 10:00:00 {REFUSAL}", f"Nov 20 10:00:31 {WARNING}"]
    assert [kind for kind, *_ in read(lines)] == [Kind.AUTH_FAIL]
