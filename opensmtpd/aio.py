# SPDX-License-Identifier: ISC
"""
The shell: a filter as a program, with asyncio.

A complete one, for ``filter "hello" proc-exec "/path/to/hello.py"`` in smtpd.conf::

    def decide(request: Ehlo) -> Decision:
        return Reject("550 5.7.1 Say your own name") if request.identity == "localhost" else Proceed()

    Filter(requests={Ehlo: decide}).main()

smtpd stops when a filter exits and holds each session until its request is answered. So the shell keeps the process
alive until the end of input, lets nothing but answers reach the server, and answers every request once, in time,
whatever a handler does. A handler that is a plain function must not block: nothing else runs meanwhile.
"""

import asyncio
import functools
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, NoReturn

from opensmtpd._answers import check_answer
from opensmtpd._decisions import Decision, Proceed
from opensmtpd._errors import LocalProtocolError, RemoteProtocolError
from opensmtpd._events import Answerable, Event, Malformed, Ready
from opensmtpd._messages import END
from opensmtpd._names import ReportName
from opensmtpd._protocol import FilterProtocol
from opensmtpd._registration import registration
from opensmtpd._reports import Report
from opensmtpd._requests import DataLine, FilterRequest
from opensmtpd._version import OLDEST

RequestHandler = Callable[[Any], Decision | Awaitable[Decision]]
ReportHandler = Callable[[Any], object]
DataLineHandler = Callable[[DataLine], Iterable[str]]

EXIT_UNAVAILABLE: Final = 69
"""EX_UNAVAILABLE of sysexits(3): the server speaks another protocol."""

# What a handler may raise without an end of the process: smtpd would stop with it, so SystemExit too.
_FAILURES: Final = (Exception, SystemExit)

_log = logging.getLogger(__name__)


class Filter:
    """
    A filter made of handlers; what it registers follows from them.

    Args:
        requests: By class of request, what decides: a function, or a coroutine function. `UnknownRequest` is allowed.
        reports: By class of report, what takes note of it.
        data_line: The lines that a line of a message becomes, for ``.`` those before the end; the shell ends the
            message itself. Puts the filter in the path of all mail.
        also_report: More events to register, for a handler of `Report` that takes all.
        default: The answer where a handler fails, is late or does not exist. It must fit every phase.
        deadline_s: How long a request may wait for a coroutine.

    """

    def __init__(
        self,
        *,
        requests: Mapping[type[FilterRequest], RequestHandler] | None = None,
        reports: Mapping[type[Report], ReportHandler] | None = None,
        data_line: DataLineHandler | None = None,
        also_report: Iterable[ReportName] = (),
        default: Decision | None = None,
        deadline_s: float = 5.0,
    ) -> None:
        self.default = default or Proceed()
        check_answer(Malformed("", ""), self.default, OLDEST)  # what fits a line that cannot be read fits all
        self.deadline_s = deadline_s
        self._requests = dict(requests or {})
        self._reports = dict(reports or {})
        self._data_line = data_line
        phases = [kind.phase for kind in self._requests if kind.phase] + (
            [DataLine.phase] if data_line else []
        )
        self.registration = registration(
            [*(kind.name for kind in self._reports if kind.name), *also_report], phases
        )

    def main(self) -> NoReturn:
        """
        Be the filter of the smtpd that started this process, until the end of input; then exit with status 0.

        Leaves with status 69, and so stops smtpd at its start, if the server speaks another protocol.
        """
        if not logging.getLogger().handlers:
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(LineFormatter("%(levelname)s: %(message)s"))
            logging.getLogger().addHandler(handler)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # only the end of input ends a filter
            signal.signal(number, signal.SIG_IGN)
        input_fd, output_fd = take_descriptors()
        try:
            asyncio.run(self.serve(input_fd, output_fd))
        except RemoteProtocolError as error:
            _log.critical("%s", error)
            sys.exit(EXIT_UNAVAILABLE)
        sys.exit(0)

    async def serve(self, input_fd: int, output_fd: int) -> None:
        """
        Serve one server over descriptors, which are closed at the end, until the end of input.

        When cancelled, it answers every open request with the default first.

        Raises:
            RemoteProtocolError: the server speaks another protocol.

        """
        writer = _Writer(output_fd)
        connection = _Connection(self, input_fd, writer)
        try:
            await connection.closed
        finally:
            connection.stop()
            writer.stop()
            for fd in {input_fd, output_fd}:
                os.close(fd)

    def handle_request(self, request: FilterRequest) -> Decision | Awaitable[Decision]:
        """Return what the handler of *request* returns, or the default."""
        handler = self._requests.get(type(request))
        return self.default if handler is None else handler(request)

    def handle_report(self, report: Report) -> None:
        """Call the handler of *report*'s class and the one of all reports, where they exist."""
        for kind in (type(report), Report):
            handler = self._reports.get(kind)
            if handler is not None:
                handler(report)

    def handle_data_line(self, request: DataLine) -> Iterable[str]:
        """Return the lines that take the place of *request*'s."""
        return [request.line] if self._data_line is None else self._data_line(request)


def take_descriptors() -> tuple[int, int]:
    """
    Return duplicates of descriptors 0 and 1, and make sure that nothing else reads or writes them.

    Descriptor 0 is /dev/null afterwards and 1 is the same as 2: a stray print() goes to the log and not to smtpd,
    which would die of it. Programs that are started do not inherit the duplicates.
    """
    input_fd, output_fd = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return input_fd, output_fd


class LineFormatter(logging.Formatter):
    """Makes one line of each record, tracebacks included: smtpd logs each line of standard error on its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of printable text."""
        lines = (" | ".join(super().format(record).splitlines())).replace("\\", "\\\\")
        return "".join(
            char if char.isprintable() else char.encode("unicode_escape").decode() for char in lines
        )


class _Writer:
    """Writes to a descriptor without blocking; keeps what does not fit, and forgets it when the reader is gone."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._rest = bytearray()

    def write(self, data: bytes) -> None:
        waiting = bool(self._rest)
        self._rest += data
        if not waiting:
            self._flush()
            if self._rest:
                self._loop.add_writer(self._fd, self._flush)

    def stop(self) -> None:
        self._loop.remove_writer(self._fd)

    def _flush(self) -> None:
        try:
            del self._rest[: os.write(self._fd, self._rest)]
        except BlockingIOError:
            return
        except OSError:
            self._rest.clear()
        if not self._rest:
            self._loop.remove_writer(self._fd)


class _Connection:
    """Dispatches events to a filter's handlers, and sees to it that each request is answered."""

    def __init__(self, handlers: Filter, input_fd: int, writer: _Writer) -> None:
        os.set_blocking(input_fd, False)
        self._filter = handlers
        self._fd = input_fd
        self._writer = writer
        self._protocol = FilterProtocol()
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[Decision]] = set()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(input_fd, self._read_ready)

    def stop(self) -> None:
        self._loop.remove_reader(self._fd)
        for request in list(self._protocol.pending.values()):
            self._answer(request, self._filter.default)
        for task in self._tasks:
            task.cancel()

    def _read_ready(self) -> None:
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        events: list[Event] = []
        try:
            events = self._protocol.receive_data(data) if data else self._protocol.receive_eof()
        except RemoteProtocolError as error:
            self._loop.remove_reader(self._fd)
            self.closed.set_exception(error)
        for event in events:
            self._dispatch(event)
        if not data:
            self._loop.remove_reader(self._fd)
            self.closed.set_result(None)

    def _dispatch(self, event: Event) -> None:
        if isinstance(event, DataLine):
            self._change_line(event)
        elif isinstance(event, FilterRequest):
            self._decide(event)
        elif isinstance(event, Ready):
            self._writer.write(self._filter.registration)
        elif isinstance(event, Malformed):
            _log.warning("malformed line: %s: %s", event.problem, event.excerpt)
            if event.token is not None:
                self._answer(event, self._filter.default)
        else:
            try:
                self._filter.handle_report(event)
            except _FAILURES:
                _log.exception("session %s: the handler of %s failed", event.session, event.name)

    def _decide(self, request: FilterRequest) -> None:
        try:
            decision = self._filter.handle_request(request)
        except _FAILURES:
            _log.exception("session %s: the handler of %s failed", request.session, request.phase)
            decision = self._filter.default
        if not isinstance(decision, Awaitable):
            self._answer(request, decision)
            return
        task = self._loop.create_task(_result_of(decision))
        timer = self._loop.call_later(self._filter.deadline_s, self._expire, request, task)
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._finish, request, timer))

    def _expire(self, request: FilterRequest, task: "asyncio.Task[Decision]") -> None:
        _log.error("session %s: the handler of %s is late", request.session, request.phase)
        self._answer(request, self._filter.default)
        task.cancel()

    def _finish(
        self, request: FilterRequest, timer: asyncio.TimerHandle, task: "asyncio.Task[Decision]"
    ) -> None:
        timer.cancel()
        self._tasks.discard(task)
        failure = asyncio.CancelledError() if task.cancelled() else task.exception()
        if failure is None:
            self._answer(request, task.result())
        elif self._is_open(request):
            _log.error(
                "session %s: the handler of %s failed", request.session, request.phase, exc_info=failure
            )
            self._answer(request, self._filter.default)

    def _is_open(self, request: Answerable) -> bool:
        return self._protocol.pending.get(request.session or "") is request

    def _answer(self, request: Answerable, decision: Decision) -> None:
        """Answer *request* unless it was answered; an illegal decision gives way to the default."""
        if not self._is_open(request):
            return
        try:
            line = self._protocol.encode_result(request, decision)
        except LocalProtocolError as error:
            _log.error("session %s: %s", request.session, error)
            line = self._protocol.encode_result(request, self._filter.default)
        self._writer.write(line)

    def _change_line(self, request: DataLine) -> None:
        try:
            self._write_lines(request, self._filter.handle_data_line(request))
        except _FAILURES:
            _log.exception("session %s: the handler of data-line failed", request.session)
            self._write_lines(request, [request.line])

    def _write_lines(self, request: DataLine, lines: Iterable[str]) -> None:
        wanted = [line for line in lines if line != END] + [END] * (request.line == END)
        self._writer.write(b"".join(self._protocol.encode_data_line(request, line) for line in wanted))


async def _result_of(decision: Awaitable[Decision]) -> Decision:
    try:
        return await decision
    except SystemExit as error:  # asyncio would end the process
        raise RuntimeError("the handler wants to exit") from error
