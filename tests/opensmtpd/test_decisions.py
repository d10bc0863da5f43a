# SPDX-License-Identifier: ISC
"""Decisions: what can be built, what cannot, and how it is written."""

import pytest

from opensmtpd import (
    AddReport,
    Decision,
    Disconnect,
    Junk,
    LocalProtocolError,
    Proceed,
    Reject,
    Rewrite,
    encode_decision,
)

WRITTEN: dict[str, Decision] = {
    "proceed\n": Proceed(),
    "junk\n": Junk(),
    "reject|550 5.7.1 no|way \\%\n": Reject("550 5.7.1 no|way \\%"),
    "disconnect|421 x\n": Disconnect("421 x"),
    "rewrite|a|b@example.org\n": Rewrite("a|b@example.org"),
    "report|seen\n": AddReport("seen"),
    "reject|450 \xfcber\n": Reject("450 \xfcber"),
}
BAD_REPLIES = [
    "",
    "550",
    "550 ",
    "550  \t ",
    "550-no",
    "550no",
    "250 ok",
    "354 go",
    "999 x",
    "55 no",
    "5500 no",
    "\u066550 no",
    " 550 no",
    "550 no\n",
    "550 a\nfilter-result|x",
    "550 a\rb",
    "550 a\0b",
    "550 \x1b[31m",
    "550 €",
]


@pytest.mark.parametrize(("line", "decision"), WRITTEN.items())
def test_written(line: str, decision: Decision) -> None:
    """A decision ends an answer with its word, its parameter if it has one, and one newline."""
    assert line == encode_decision(decision)


@pytest.mark.parametrize("kind", [Reject, Disconnect])
@pytest.mark.parametrize("reply", BAD_REPLIES)
def test_bad_replies_cannot_be_built(kind: type[Reject] | type[Disconnect], reply: str) -> None:
    """A reply that smtpd or a client would not understand is refused, with its value and the rule."""
    with pytest.raises(LocalProtocolError, match="must be 4dd or 5dd, a blank and printable text") as caught:
        kind(reply)
    assert ascii(reply) in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_replies_have_480_characters_at_most() -> None:
    """A reply fits into RFC 5321's line."""
    assert Reject("550 " + "x" * 476).reply.endswith("x")
    with pytest.raises(LocalProtocolError, match="at most 480 characters"):
        Reject("550 " + "x" * 477)


@pytest.mark.parametrize("kind", [Rewrite, AddReport])
@pytest.mark.parametrize("text", ["", "a\nb", "a\r", "\0", "€", "x" * 1901])
def test_bad_parameters_cannot_be_built(kind: type[Rewrite] | type[AddReport], text: str) -> None:
    """A parameter is one line of bytes that smtpd does not cut."""
    with pytest.raises(LocalProtocolError, match="must"):
        kind(text)


def test_decisions_are_frozen_values() -> None:
    """Decisions can be shared: equal ones are equal, and nothing changes them."""
    decisions: set[Decision] = {Reject("550 no"), Reject("550 no"), Disconnect("550 no")}
    assert len(decisions) == 2
    with pytest.raises(AttributeError):
        Reject("550 no").reply = "550 yes"  # type: ignore[misc]  # the point
