# SPDX-License-Identifier: ISC
"""How a finding is told."""

from filter_ban.doctor.finding import Finding, Severity, quoted


def test_line() -> None:
    """A finding is a line that names the server, how bad it is, the cause and what to do."""
    finding = Finding("postfix", Severity.DANGER, "delay-reject", "too late", "-o x=no", "master.cf")
    assert str(finding) == "postfix: danger: delay-reject: too late; in master.cf: -o x=no"
    finding = Finding("postfix", Severity.ADVICE, "endpoint-down", "down", "filter-ban status")
    assert str(finding) == "postfix: advice: endpoint-down: down; run: filter-ban status"


def test_quoted() -> None:
    """Text of a configuration is escaped and bounded."""
    assert quoted("a\x1b[31m\n") == "a\\x1b[31m\\n"
    assert len(quoted("x" * 1000)) == 200
