# SPDX-License-Identifier: ISC
"""Reply templates."""

import re

import pytest

from filter_ban.client import parse_network
from filter_ban.model import Answer, Ban
from filter_ban.reply import ReplyTemplate, until_text

BAN = Ban(
    client=parse_network("2001:db8::/64"),
    start_s=1_763_690_000,
    end_s=1_763_690_900,
    rule="5 in 10m",
    reason="",
    strikes=5.0,
    reference="ABCD2345",
)


def test_all_fields_are_filled_in() -> None:
    """The client is told who, why, until when, and a reference to quote."""
    template = ReplyTemplate.parse("421 4.7.0 {client} {strikes} {until} {ref}")

    assert template.render(BAN).text == "421 4.7.0 2001:db8::/64 5 2025-11-21 02:09 UTC ABCD2345"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("421 x", Answer.DROP),
        ("521 x", Answer.DROP),
        ("450 4.7.1 x", Answer.DEFER),
        ("550 5.7.1 x", Answer.REFUSE),
    ],
)
def test_the_code_decides_the_answer(text: str, answer: Answer) -> None:
    """421 and 521 hang up, other 4xx defer, other 5xx refuse."""
    assert ReplyTemplate.parse(text).render(BAN).answer is answer


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must be one line of printable ASCII"),
        ("421", "must be one line of printable ASCII"),
        ("421 ", "must be one line of printable ASCII"),
        ("421-x", "must be one line of printable ASCII"),
        ("250 ok", "must be one line of printable ASCII"),
        ("999 x", "must be one line of printable ASCII"),
        ("421 a\nb", "must be one line of printable ASCII"),
        ("421 a\rb", "must be one line of printable ASCII"),
        ("421 bänned", "must be one line of printable ASCII"),
        ("421 \0", "must be one line of printable ASCII"),
        ("421 {", "unbalanced braces"),
        ("421 {host}", "unknown field {host}"),
        ("421 {client.__class__}", "unknown field {client.__class__}"),
        ("421 {client!r}", "unknown field {client}"),
        ("421 {strikes:500}", "unknown field {strikes}"),
        ("421 {}", "unknown field {}"),
        ("421 " + "x" * 500, "the limit is 480"),
        ("421 " + "{client}" * 12, "the limit is 480"),
    ],
)
def test_illegal_smtp_text_cannot_be_built(text: str, rule: str) -> None:
    """A reply that smtpd would turn into an internal error is refused with the rule it breaks."""
    with pytest.raises(ValueError, match=re.escape(rule)):
        ReplyTemplate.parse(text)


def test_the_end_is_never_told_too_early() -> None:
    """Seconds are rounded up to the next minute; a ban without end says so."""
    assert until_text(1_763_690_460) == "2025-11-21 02:01 UTC"
    assert until_text(1_763_690_461) == "2025-11-21 02:02 UTC"
    assert until_text(None) == "further notice"
