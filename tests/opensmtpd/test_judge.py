# SPDX-License-Identifier: ISC
"""The fake server's judgement: it lives and dies as the real ones were seen to."""

import pytest

from opensmtpd.testing import Answer, Judge, SmtpdDiedError

S, T, OTHER = "52c503ee57499eb6", "dae8676d038a124f", "0000000000000001"
READY = b"register|report|smtp-in|link-auth\nregister|filter|smtp-in|auth\nregister|ready\n"


def judge(phase: str = "auth", version: str = "0.7") -> Judge:
    """Return a judge with one session, which waits for an answer at *phase*."""
    it = Judge(version)
    it.receive(READY)
    it.begin(S)
    if phase:
        it.ask(S, T, phase)
    return it


def answer(decision: str, *, session: str = S, token: str = T) -> bytes:
    """Return an answer."""
    return f"filter-result|{session}|{token}|{decision}\n".encode("latin-1")


@pytest.mark.parametrize(
    "lines",
    [
        READY,
        b"register|ready\n",
        b"register|report|smtp-out|timeout\n" + READY,
        b"register|report|smtp-in|*\n" + READY,
        READY + b"register|report|smtp-in|timeout\n",
        READY + b"register|filter|smtp-in|quit\n",
    ],
)
def test_registrations(lines: bytes) -> None:
    """What real servers accept is accepted; a phase that comes after ready is never asked."""
    it = Judge()
    assert it.receive(lines) == []
    assert it.ready
    assert it.phases <= {"auth"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b"register|report|smtp-in|link-moved\n", "Unrecognized report name"),
        (b"register|filter|smtp-in|link-auth\n", "Unrecognized report name"),
        (b"register|filter|smtp-in|*\n", "Unrecognized report name"),
        (b"register|filter|smtp-out|auth\n", "Invalid message direction"),
        (b"register|filter|smtp-in\n", "Invalid register line"),
        (b"register|now\n", "Invalid register line"),
        (b"register|ready\r\n", "Invalid register line"),
        (b"\n", "Non-register message"),
        (b"hello\n", "Non-register message"),
        (READY + b"register|ready\n", "Invalid register line"),
        (READY + b"hello\n", "Invalid filter message type"),
        (READY + b"\n", "Invalid filter message type"),
        (READY + b"report|0.7|1.000000|smtp-in|timeout|52c503ee57499eb6\n", "Invalid filter message type"),
        (READY + b"x" * 65537, "spins"),
        (READY + b"x" * 20000 + b"\n", "message too large"),
    ],
)
def test_deaths_by_line(lines: bytes, message: str) -> None:
    """Any other line kills."""
    with pytest.raises(SmtpdDiedError, match=message):
        Judge().receive(lines)


@pytest.mark.parametrize(
    ("decision", "reply", "closes"),
    [
        ("proceed", None, False),
        ("proceed\0x", None, False),
        ("junk", None, False),
        ("rewrite|LOGIN", None, False),
        ("report|x", None, False),
        ("reject|550 5.7.1 a|b", "550 5.7.1 a|b", False),
        ("reject|421 bye", "421 bye", True),
        ("disconnect|550 no", "550 no", True),
        ("reject|", "421 Internal server error", True),
        ("reject|550-no", "421 Internal server error", True),
        ("disconnect|550 ", "421 Internal server error", True),
        ("reject|250 ok", "421 Internal server error", True),
    ],
)
def test_answers(decision: str, reply: str | None, closes: bool) -> None:
    """An answer is taken, and known is what the client sees of it."""
    [result] = judge().receive(answer(decision))
    assert (reply, closes) == (result.reply, result.closes)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (answer("proceed|x"), "Missing parameter, or one too many"),
        (answer("junk|x"), "Missing parameter, or one too many"),
        (answer("reject"), "Missing parameter"),
        (answer("Proceed"), "Invalid directive"),
        (answer("proceed\r"), "Invalid directive"),
        (answer("reject|550 no\r"), "Invalid directive"),
        (f"filter-result|{S}|{T}\n".encode(), "Invalid directive"),
        (f"filter-result|{S}\n".encode(), "Invalid token"),
        (b"filter-result\n", "Invalid reqid"),
        (answer("proceed", session="x" * 16), "Invalid reqid"),
        (answer("proceed", token=""), "Invalid token"),
        (answer("proceed", token=OTHER), "misbehaving filter: wrong token"),
        (answer("proceed") * 2, "tree_xpop"),
        (f"filter-dataline|{S}|{T}|x\n".encode(), "out of dataline phase"),
    ],
)
def test_deaths_by_answer(line: bytes, message: str) -> None:
    """Double answers, wrong tokens and misspelt decisions kill."""
    with pytest.raises(SmtpdDiedError, match=message):
        judge().receive(line)


@pytest.mark.parametrize(
    ("phase", "version", "decision", "message"),
    [
        ("commit", "0.7", "junk", "junk at commit"),
        ("connect", "0.6", "report|x", "Invalid directive"),
        ("data-line", "0.7", "proceed", "in dataline phase"),
        ("", "0.7", "proceed", "nothing was asked"),
    ],
)
def test_deaths_by_phase(phase: str, version: str, decision: str, message: str) -> None:
    """Some answers kill at some phases only."""
    with pytest.raises(SmtpdDiedError, match=message):
        judge(phase, version).receive(answer(decision))


def test_what_is_ignored() -> None:
    """Answers to unknown sessions and to those that are over, and a refusal's wrong token."""
    it = judge()
    assert it.receive(answer("proceed", session=OTHER)) == []
    assert it.receive(f"filter-dataline|{OTHER}|{T}|x\n".encode()) == []
    assert set(it.open) == {S}
    assert it.receive(answer("reject|450 x", token=OTHER)) == [Answer(S, OTHER, "reject", "450 x")]
    it.end(S)
    assert it.receive(answer("proceed")) == []


def test_two_writes_and_several_answers_in_one() -> None:
    """Lines may come in pieces and in heaps."""
    it = judge()
    it.begin(OTHER)
    it.ask(OTHER, T, "auth")
    line = answer("proceed") + answer("proceed", session=OTHER)
    assert it.receive(line[:30]) == []
    assert [result.session for result in it.receive(line[30:])] == [S, OTHER]


def test_lines_of_mail() -> None:
    """A message goes on line by line until its dot; then the session waits no more."""
    it = judge("data-line")
    it.ask(S, T, "data-line")
    assert set(it.open) == {S}
    assert not it.awaits_decision(S)
    assert judge("data").awaits_decision(S)
    it.receive(f"filter-dataline|{S}|{T}|a|b\nfilter-dataline|{S}|{T}|.\n".encode())
    assert it.data_lines == [(S, "a|b"), (S, ".")]
    assert not it.open
    with pytest.raises(SmtpdDiedError, match="out of dataline phase"):
        it.receive(f"filter-dataline|{S}|{T}|x\n".encode())
