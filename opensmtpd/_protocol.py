# SPDX-License-Identifier: ISC
"""
The filter's side of the protocol without input and output: bytes in, events out; decisions in, bytes out.

Source: smtpd-filters(7); what measured servers do where it is silent.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from opensmtpd._answers import check_answer
from opensmtpd._decisions import Decision, encode_decision
from opensmtpd._errors import LocalProtocolError, RemoteProtocolError
from opensmtpd._events import Answerable, Event, Malformed, Ready, ServerConfig
from opensmtpd._handshake import with_setting
from opensmtpd._messages import Messages
from opensmtpd._names import Phase, ReportName, Stream, Subsystem
from opensmtpd._reports import LinkDisconnect, Report
from opensmtpd._requests import DataLine, FilterRequest
from opensmtpd._routes import Route, result_line
from opensmtpd._text import excerpt
from opensmtpd._version import NEWEST, parse_version
from opensmtpd._wire import Row, malformed, parse_row, split_row

DEFAULT_MAX_LINE_BYTES: Final = 65536
"""smtpd sends lines up to some 2,100 bytes; a client cannot make it send longer ones."""

DEFAULT_MAX_SESSIONS: Final = 65536
"""smtpd takes at most half its descriptor limit in sessions."""

_MIN_MAX_LINE_BYTES: Final = 1024  # session and token must lie within a line that is too long
_SMTP_IN: Final = str(Subsystem.SMTP_IN)

_REPORT_NAMES: Final = frozenset(ReportName)
_PHASES: Final = frozenset(Phase)


class FilterProtocol:
    """
    One connection with smtpd, seen from the filter.

    Args:
        routes: Handlers of rows by the name of their event or phase, for programs that answer thousands of lines a
            second. Such a line makes no event, and its request is not in `pending`: the route answers it. Routed
            lines are handled in order among themselves while `receive_data` runs, and so before the events that it
            returns, which are in order among themselves. See `opensmtpd.Route`.
        max_line_bytes: A longer line makes one `Malformed`, and the stream goes on after it. At least 1024.
        max_sessions: The number of unanswered requests, and of messages in the data-line phase, to be remembered;
            beyond it the oldest is forgotten.

    """

    def __init__(
        self,
        *,
        routes: Mapping[str, Route] | None = None,
        max_line_bytes: int = DEFAULT_MAX_LINE_BYTES,
        max_sessions: int = DEFAULT_MAX_SESSIONS,
    ) -> None:
        if max_line_bytes < _MIN_MAX_LINE_BYTES:
            raise ValueError(f"max_line_bytes: {max_line_bytes}: must be at least {_MIN_MAX_LINE_BYTES}")
        self._routes = _with_streams(routes or {})
        self._max_line = max_line_bytes
        self._max_sessions = max_sessions
        self._rest = ""
        self._skipping = False
        self._config = ServerConfig()
        self._ready = False
        self._version = ""
        self._pending: dict[str, Answerable] = {}
        self._messages = Messages(max_sessions)

    @property
    def config(self) -> ServerConfig:
        """What the server has said of itself so far."""
        return self._config

    @property
    def version(self) -> str:
        """The protocol version of the latest sound line, or of the handshake; empty before either."""
        return self._version

    @property
    def pending(self) -> Mapping[str, Answerable]:
        """The requests that were returned and not yet answered, by session, oldest first."""
        return MappingProxyType(self._pending)

    def receive_data(self, data: bytes) -> list[Event]:
        """
        Return the events of the lines that *data* completes, oldest first; any cut of a stream gives the same ones.

        Raises:
            RemoteProtocolError: the handshake names a version that this package does not know. Only that.

        """
        text = self._rest + data.decode("latin-1")
        lines = text.split("\n")
        self._rest = lines.pop()
        events: list[Event] = []
        if self._skipping or _has_longer_line(text, self._max_line):
            self._receive_long_lines(lines, events)
        else:
            self._receive_lines(lines, events)
        return events

    def receive_eof(self) -> list[Event]:
        """
        Return the event of a line that was cut off by the end of input, if there is one, and forget all requests.

        smtpd is gone: nobody waits for an answer.
        """
        rest, self._rest = self._rest, ""
        self._pending.clear()
        self._messages.clear()
        return [Malformed(excerpt(rest), "end of input inside a line")] if rest else []

    def encode_result(self, request: Answerable, decision: Decision) -> bytes:
        """
        Return the one line that answers *request*, which is no longer pending then.

        Args:
            request: As `receive_data` returned it: a request, or a malformed line with a token.
            decision: Any decision that may answer it. After a LocalProtocolError on account of the decision the
                request is still pending.

        Returns: latin-1, ending in one newline.

        Raises:
            LocalProtocolError: *request* is not pending (answered, forgotten, never asked), or *decision* is illegal.

        """
        session, token = request.session, request.token
        if session is None or token is None or self._pending.get(session) is not request:
            raise LocalProtocolError(f"session {session}: has no such request open")
        check_answer(request, decision, parse_version(self._version) if self._version else NEWEST)
        del self._pending[session]
        return result_line(session, token, encode_decision(decision)).encode("latin-1")

    def encode_data_line(self, request: DataLine, line: str) -> bytes:
        """
        Return one line of the message that goes on instead of the lines of *request*'s session; ``.`` ends it.

        Args:
            request: Any data-line request of the message; each may be answered by any number of lines.
            line: Wire text, dot-escaped.

        Returns: latin-1, ending in one newline.

        Raises:
            LocalProtocolError: the message has ended, or *line* holds CR, LF, NUL or more than 1900 characters.

        """
        return self._messages.encode(request, line)

    def _receive_long_lines(self, lines: list[str], events: list[Event]) -> None:
        """Receive *lines* and the unfinished one after them, some of which are too long."""
        for line in lines:
            if self._skipping:  # the end of a line that was too long before
                self._skipping = False
            elif len(line) > self._max_line:
                self._append(events, self._too_long(line))
            else:
                self._receive_lines([line], events)
        if len(self._rest) > self._max_line and not self._skipping:
            self._append(events, self._too_long(self._rest))
            self._skipping = True
        if self._skipping:
            self._rest = ""

    def _receive_lines(self, lines: list[str], events: list[Event]) -> None:
        """Route each line or append its event. This loop is on the path of each answer: one split, one look-up, one call."""
        routes, version, subsystem = self._routes, self._version, _SMTP_IN
        for line in lines:
            row = line.split("|", 6)
            try:
                stream, route = routes[row[4]]
                if row[0] == stream and row[1] == version and row[3] == subsystem:
                    route(row)
                    continue
                failure: Exception | None = None
            except (ValueError, KeyError, IndexError) as error:
                failure = error
            self._receive_other(line, row, failure, events)
            version = self._version

    def _receive_other(self, line: str, row: Row, failure: Exception | None, events: list[Event]) -> None:
        """Receive a line that has no route, changes the version, or whose route failed."""
        if row[0] == Stream.CONFIG:
            self._receive_config(line, events)
        elif not self._has_route(row):
            event = parse_row(line, row)
            if not isinstance(event, Malformed):
                self._version = row[1]
            self._append(events, event)
        elif row[1] != self._version:
            self._version = row[1]
            self._receive_lines([line], events)
        else:
            self._append(events, malformed(line, row, f"route: {excerpt(repr(failure))}"))

    def _has_route(self, row: Row) -> bool:
        """Return whether a line that is sound up to its name has a route."""
        try:
            parse_version(row[1])
            return row[3] == _SMTP_IN and row[0] == self._routes[row[4]][0]
        except (RemoteProtocolError, KeyError, IndexError):
            return False

    def _receive_config(self, line: str, events: list[Event]) -> None:
        _, _, setting = line.partition("|")
        key, bar, value = setting.partition("|")
        problem = ""
        if self._ready:
            problem = "config: must come before config|ready"
        elif setting == "ready":
            self._ready = True
            events.append(Ready(self._config))
        elif bar and key:
            try:
                self._config = with_setting(self._config, key, value)
            except ValueError as error:
                problem = str(error)
        else:
            problem = "config: must have a key and a value"
        if problem:
            events.append(Malformed(excerpt(line), problem))
        elif key == "protocol":
            self._version = value

    def _too_long(self, line: str) -> Malformed:
        # Only the beginning counts: how much more of the line is here depends on how the stream was cut.
        head = line[:_MIN_MAX_LINE_BYTES]
        return malformed(head, split_row(head), f"longer than {self._max_line} bytes")

    def _append(self, events: list[Event], event: Report | FilterRequest | Malformed) -> None:
        """Append *event*, and keep the tables of open requests and messages."""
        events.append(event)
        if isinstance(event, DataLine):
            self._messages.receive(event)
        elif isinstance(event, LinkDisconnect):
            self._messages.forget(event.session)
        elif isinstance(event, FilterRequest | Malformed) and event.token is not None:
            assert event.session is not None
            self._pending.pop(event.session, None)
            if len(self._pending) >= self._max_sessions:
                del self._pending[next(iter(self._pending))]
            self._pending[event.session] = event


def _has_longer_line(text: str, length: int) -> bool:
    """Return whether *text* has a line of more than *length* characters, looking at every so many only."""
    start = 0
    while len(text) - start > length:
        newline = text.rfind("\n", start, start + length + 1)
        if newline < 0:
            return True
        start = newline + 1
    return False


def _with_streams(routes: Mapping[str, Route]) -> dict[str, tuple[str, Route]]:
    """
    Return *routes* by name, each with the one stream that the name belongs to.

    Raises:
        LocalProtocolError: a name is neither an event nor a phase, or is data-line, which has no one answer.

    """
    table = {}
    for name, route in routes.items():
        if name in _REPORT_NAMES:
            stream = Stream.REPORT
        elif name in _PHASES and name != Phase.DATA_LINE:
            stream = Stream.FILTER
        else:
            raise LocalProtocolError(
                f"routes: {name[:100]!a}: must be an event or a phase other than data-line"
            )
        table[str(name)] = str(stream), route  # plain text compares and hashes faster than members
    return table
