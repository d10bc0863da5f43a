# SPDX-License-Identifier: ISC
"""
The server's side as a judge: takes what a filter writes, and dies of what real servers die of.

Source: measured on OpenSMTPD 6.8.0p2 and 7.8.0p1; the messages are theirs. Stricter in one thing: ids and replies with
a carriage return, which a real server may let pass.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from opensmtpd._names import DecisionName, Phase, ReportName, Stream, Subsystem
from opensmtpd._version import parse_version

_HEX: Final = re.compile(r"[0-9a-fA-F]{1,16}")
_REPLY: Final = re.compile(r"[45][0-9]{2} .+", re.DOTALL)
_MAX_LINE_BYTES: Final = 65536  # without a newline after so many bytes smtpd's lookup process spins
_MAX_ANSWER_BYTES: Final = 16384  # 20000 kill smtpd 7.8
_WITH_PARAMETER: Final = (
    DecisionName.REJECT,
    DecisionName.DISCONNECT,
    DecisionName.REWRITE,
    DecisionName.REPORT,
)
_RESULT_FIELDS: Final = 4


class SmtpdDiedError(AssertionError):
    """A real smtpd would have stopped, and with it the mail service."""


@attrs.frozen
class Answer:
    """What a filter answered: a decision and its parameter as they were on the wire."""

    session: str
    token: str
    decision: str
    parameter: str | None = None

    @property
    def reply(self) -> str | None:
        """The SMTP reply the client gets instead of the normal one, or None."""
        if self.decision not in (DecisionName.REJECT, DecisionName.DISCONNECT):
            return None
        return self.parameter if _REPLY.fullmatch(self.parameter or "") else "421 Internal server error"

    @property
    def closes(self) -> bool:
        """Whether the client's connection is closed."""
        return self.decision == DecisionName.DISCONNECT or (self.reply or "").startswith("421")


@attrs.define
class _Open:
    token: str
    phase: str


class Judge:
    """
    One filter's registrations, the sessions of its server and the request each of them waits for.

    Args:
        version: Of the protocol that the server speaks.

    """

    def __init__(self, version: str = "0.7") -> None:
        self._version = parse_version(version)
        self._rest = b""
        self._sessions: dict[str, _Open | None] = {}
        self.ready = False
        self.reports: list[str] = []
        self.phases: set[str] = set()
        self.data_lines: list[tuple[str, str]] = []

    @property
    def open(self) -> Mapping[str, object]:
        """The sessions that wait for an answer."""
        return MappingProxyType({session: request for session, request in self._sessions.items() if request})

    def awaits_decision(self, session: str) -> bool:
        """Return whether *session* can go nowhere before a decision; lines of mail hold up nobody's disconnect."""
        request = self._sessions.get(session)
        return request is not None and request.phase != Phase.DATA_LINE

    def begin(self, session: str) -> None:
        """Note that a session began."""
        self._sessions[session] = None

    def ask(self, session: str, token: str, phase: str) -> None:
        """Note that a request went out; the lines of one message are one request."""
        request = self._sessions[session]
        assert request is None or request.phase == phase == Phase.DATA_LINE, "a session has one request open"
        self._sessions[session] = _Open(token, phase)

    def end(self, session: str) -> None:
        """Note that a session is over: answers to it are ignored."""
        del self._sessions[session]

    def receive(self, data: bytes) -> list[Answer]:
        """
        Return the answers in the lines that *data* completes.

        Raises:
            SmtpdDiedError: a real server would not have survived a line.

        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE_BYTES:
            raise SmtpdDiedError("lookup: spins: a line without an end")
        answers = [self._line(line.partition(b"\0")[0].decode("latin-1")) for line in lines]
        return [answer for answer in answers if answer is not None]

    def _line(self, line: str) -> Answer | None:
        if len(line) > _MAX_ANSWER_BYTES:
            raise SmtpdDiedError("warn: message too large")
        word, _, rest = line.partition("|")
        if word == "register":
            self._register(rest)
        elif not self.ready:
            raise SmtpdDiedError(f"Non-register message before register|ready: {line[:100]!a}")
        elif word == "filter-result":
            return self._result(line, rest)
        elif word == "filter-dataline":
            self._data_line(line, rest)
        else:
            raise SmtpdDiedError(f"lookup: Invalid filter message type: {line[:100]!a}")
        return None

    def _register(self, rest: str) -> None:
        if rest == "ready" and not self.ready:
            self.ready = True
            return
        try:
            stream, subsystem, name = rest.split("|")
        except ValueError:
            raise SmtpdDiedError(f"Invalid register line received: {rest[:100]!a}") from None
        if stream == Stream.REPORT and subsystem in tuple(Subsystem):
            if name not in (*ReportName, "*"):
                raise SmtpdDiedError(f"lookup: Unrecognized report name: {name[:100]!a}")
            self.reports += [name] if name != "*" else list(ReportName)
        elif stream == Stream.FILTER and subsystem == Subsystem.SMTP_IN:
            if name not in tuple(Phase):
                raise SmtpdDiedError(f"lookup: Unrecognized report name: {name[:100]!a}")
            if not self.ready:  # a phase that comes later is never asked
                self.phases.add(name)
        else:
            raise SmtpdDiedError(f"Invalid message direction: {rest[:100]!a}")

    def _result(self, line: str, rest: str) -> Answer | None:
        fields = rest.split("|", _RESULT_FIELDS - 1)
        session, token = _ids(line, fields)
        if session not in self._sessions:
            return None  # unknown, or over: ignored
        decision = fields[2] if len(fields) > 2 else ""  # noqa: PLR2004 - after the ids
        parameter = fields[3] if len(fields) == _RESULT_FIELDS else None
        if decision not in tuple(DecisionName) or "\r" in (parameter or ""):
            raise SmtpdDiedError(f"Invalid directive: {line[:100]!a}")
        if (parameter is None) is (decision in _WITH_PARAMETER):
            raise SmtpdDiedError(f"Missing parameter, or one too many: {line[:100]!a}")
        request = self._sessions[session]
        if request is None:
            raise SmtpdDiedError(f"dispatcher: tree_xpop: nothing was asked: {line[:100]!a}")
        if request.phase == Phase.DATA_LINE:
            raise SmtpdDiedError(f"filter-result in dataline phase: {line[:100]!a}")
        self._check_fit(line, request, token, decision)
        self._sessions[session] = None
        return Answer(session, token, decision, parameter)

    def _check_fit(self, line: str, request: _Open, token: str, decision: str) -> None:
        if decision == DecisionName.PROCEED and token != request.token:
            raise SmtpdDiedError(f"lookup: misbehaving filter: wrong token: {line[:100]!a}")
        if decision == DecisionName.JUNK and request.phase == Phase.COMMIT:
            raise SmtpdDiedError(f"lookup: misbehaving filter: junk at commit: {line[:100]!a}")
        if decision == DecisionName.REPORT and self._version < (0, 7):
            raise SmtpdDiedError(f"Invalid directive: {line[:100]!a}")

    def _data_line(self, line: str, rest: str) -> None:
        fields = rest.split("|", 2)
        session, _ = _ids(line, fields)
        if session not in self._sessions:
            return
        request = self._sessions[session]
        if request is None or request.phase != Phase.DATA_LINE or len(fields) <= 2:  # noqa: PLR2004 - after the ids
            raise SmtpdDiedError(f"filter-dataline out of dataline phase: {line[:100]!a}")
        self.data_lines.append((session, fields[2]))
        if fields[2] == ".":
            self._sessions[session] = None


def _ids(line: str, fields: list[str]) -> tuple[str, str]:
    """Return session and token of an answer as the server's lines have them."""
    if not _HEX.fullmatch(fields[0]):
        raise SmtpdDiedError(f"Invalid reqid: {line[:100]!a}")
    if len(fields) == 1 or not _HEX.fullmatch(fields[1]):
        raise SmtpdDiedError(f"Invalid token: {line[:100]!a}")
    return f"{int(fields[0], 16):016x}", f"{int(fields[1], 16):016x}"
