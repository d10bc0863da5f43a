# SPDX-License-Identifier: ISC
"""The shell, served in this process: every request is answered once, whatever handlers do."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import opensmtpd
from opensmtpd import (
    Auth,
    AuthResult,
    Commit,
    DataLine,
    Decision,
    Disconnect,
    Ehlo,
    FilterRequest,
    Junk,
    LinkAuth,
    LocalProtocolError,
    MailFrom,
    Proceed,
    Quit,
    Reject,
    RemoteProtocolError,
    Report,
    ReportName,
    Rewrite,
    UnknownRequest,
)
from opensmtpd.aio import Filter, LineFormatter
from opensmtpd.testing import encode_event, handshake

S, T = "52c503ee57499eb6", "dae8676d038a124f"
IDS = (1.0, S, T)
REFUSED = Reject("550 no")


class Server:
    """The other end of a filter that is served in this process."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._received = bytearray()

    async def send(self, *lines: bytes) -> None:
        """Send lines to the filter."""
        await asyncio.get_running_loop().sock_sendall(self._end, b"".join(lines))

    async def line(self) -> str:
        """Return the next line of the filter."""
        while b"\n" not in self._received:
            data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self._end, 65536), 10)
            assert data, "the filter closed its end"
            self._received += data
        end = self._received.index(b"\n")
        line = self._received[:end].decode("latin-1")
        del self._received[: end + 1]
        return line

    async def answer(self, request: FilterRequest) -> str:
        """Ask, and return the decision as it is on the wire."""
        await self.send(encode_event(request))
        ids, decision = f"filter-result|{S}|{T}|", await self.line()
        assert decision.startswith(ids)
        return decision.removeprefix(ids)

    def close(self) -> None:
        """Stop."""
        self._end.close()


@contextlib.asynccontextmanager
async def served(it: Filter) -> AsyncIterator[tuple[Server, "asyncio.Task[None]"]]:
    """Serve *it* over a socket, past the handshake."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    fd = theirs.detach()
    task = asyncio.create_task(it.serve(fd, fd))
    server = Server(ours)
    await server.send(handshake())
    while await server.line() != "register|ready":
        pass
    try:
        yield server, task
    finally:
        server.close()
        await asyncio.wait([task], timeout=10)


def run(it: Filter, use: Callable[[Server], Awaitable[None]]) -> None:
    """Serve *it* while *use* talks to it; afterwards it must have ended without an error."""

    async def main() -> None:
        async with served(it) as (server, task):
            await use(server)
        task.result()

    asyncio.run(main())


def test_registration_follows_from_the_handlers() -> None:
    """Events, phases and data-line are registered where somebody handles them, and what is asked for beside."""
    it = Filter(
        requests={Auth: lambda _: Proceed(), UnknownRequest: lambda _: Proceed()},
        reports={LinkAuth: print, Report: print},
        data_line=lambda request: [request.line],
        also_report=[ReportName.TIMEOUT],
    )
    assert it.registration.decode().split("\n") == [
        "register|report|smtp-in|link-auth",
        "register|report|smtp-in|timeout",
        "register|filter|smtp-in|auth",
        "register|filter|smtp-in|data-line",
        "register|ready",
        "",
    ]


@pytest.mark.parametrize("default", [Junk(), Rewrite("x")])
def test_the_default_must_fit_everywhere(default: Decision) -> None:
    """A default that kills smtpd at some phase is our own fault, at the start."""
    with pytest.raises(LocalProtocolError):
        Filter(default=default)


async def _raises(_: Auth) -> Decision:
    raise ZeroDivisionError


async def _hangs(_: Auth) -> Decision:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


async def _answers(_: Auth) -> Decision:
    await asyncio.sleep(0)
    return Disconnect("421 bye")


async def _cancels_itself(_: Auth) -> Decision:
    raise asyncio.CancelledError


async def _exits(_: Auth) -> Decision:
    sys.exit(0)


def _exits_at_once(_: Auth) -> Decision:
    sys.exit(0)


async def _nonsense(_: Auth) -> Any:
    return "proceed"


def _fails(_: Auth) -> Decision:
    raise ZeroDivisionError


HANDLERS: dict[str, tuple[Any, str]] = {
    "function": (lambda _: Proceed(), "proceed"),
    "coroutine": (_answers, "disconnect|421 bye"),
    "function raises": (_fails, "reject|550 no"),
    "coroutine raises": (_raises, "reject|550 no"),
    "coroutine hangs": (_hangs, "reject|550 no"),
    "coroutine cancelled": (_cancels_itself, "reject|550 no"),
    "function exits": (_exits_at_once, "reject|550 no"),
    "coroutine exits": (_exits, "reject|550 no"),
    "function returns nonsense": (lambda _: None, "reject|550 no"),
    "coroutine returns nonsense": (_nonsense, "reject|550 no"),
}


@pytest.mark.parametrize(("handler", "answer"), HANDLERS.values(), ids=HANDLERS.keys())
def test_every_request_is_answered_once(handler: Any, answer: str) -> None:
    """Whatever a handler does, one answer comes, in time, and the next request is answered too."""

    async def use(server: Server) -> None:
        assert await server.answer(Auth(*IDS, "LOGIN")) == answer
        assert await server.answer(Ehlo(*IDS, "x")) == "reject|550 no", "no handler"
        assert await server.answer(Auth(*IDS, "LOGIN")) == answer

    run(Filter(requests={Auth: handler}, default=REFUSED, deadline_s=0.05), use)


def test_malformed_and_illegal(caplog: pytest.LogCaptureFixture) -> None:
    """A line that cannot be read is logged, and answered if it is a request; an illegal decision becomes the default."""

    async def use(server: Server) -> None:
        await server.send(b"garbage \x1b\n", encode_event(Quit(*IDS)).replace(b"1.000000", b"now"))
        assert await server.line() == f"filter-result|{S}|{T}|reject|550 no"
        assert await server.answer(Commit(*IDS)) == "reject|550 no"
        assert await server.answer(UnknownRequest(*IDS, "vrfy", ("x",))) == "disconnect|421 x"

    it = Filter(
        requests={Commit: lambda _: Junk(), UnknownRequest: lambda _: Disconnect("421 x")},
        default=REFUSED,
    )
    run(it, use)
    assert "garbage \\x1b" in caplog.text
    assert "junk: must not answer commit" in caplog.text


def test_reports_reach_their_handlers(caplog: pytest.LogCaptureFixture) -> None:
    """A report goes to the handler of its class and to the one of all; a failing handler ends nothing."""
    seen: list[Report] = []

    def fail(_: LinkAuth) -> None:
        raise ZeroDivisionError

    async def use(server: Server) -> None:
        login = LinkAuth(1.0, S, AuthResult.FAIL, "alice")
        await server.send(encode_event(login), encode_event(opensmtpd.Timeout(1.0, S)))
        assert await server.answer(Quit(*IDS)) == "proceed"

    run(Filter(reports={LinkAuth: fail, Report: seen.append}), use)
    assert [type(report) for report in seen] == [opensmtpd.Timeout]
    assert "the handler of link-auth failed" in caplog.text


def test_lines_of_mail() -> None:
    """Lines are changed by the handler; where it fails or makes illegal ones, they go on as they were; the dot is ours."""

    def change(request: DataLine) -> list[str]:
        if request.line == "fail":
            raise ZeroDivisionError
        return {"drop": [], "double": ["1", "2"], "bad": ["a\nb"], ".": ["last", "."]}.get(
            request.line, [request.line]
        )

    async def use(server: Server) -> None:
        wanted = ["double", "drop", "fail", "bad", "same", "."]
        await server.send(*(encode_event(DataLine(*IDS, line)) for line in wanted))
        lines = [(await server.line()).rpartition("|")[2] for _ in range(7)]
        assert lines == ["1", "2", "fail", "bad", "same", "last", "."]

    run(Filter(data_line=change), use)


def test_lines_of_mail_without_a_handler() -> None:
    """A line that comes though nobody registered for it goes on unchanged."""

    async def use(server: Server) -> None:
        await server.send(encode_event(DataLine(*IDS, "x|y")))
        assert await server.line() == f"filter-dataline|{S}|{T}|x|y"

    run(Filter(), use)


def test_an_unknown_protocol_ends_the_filter() -> None:
    """A server that cannot be understood is an error, not silence."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        fd = theirs.detach()
        with ours:
            ours.sendall(b"config|protocol|9.0\n")
            with pytest.raises(RemoteProtocolError):
                await asyncio.wait_for(Filter().serve(fd, fd), 10)

    asyncio.run(main())


def test_stopping_answers_what_is_open() -> None:
    """When the program is told to stop, it leaves no session behind that waits for ever."""

    async def main() -> None:
        async with served(Filter(requests={Auth: _hangs}, default=REFUSED)) as (server, task):
            await server.send(encode_event(Auth(*IDS, "LOGIN")), encode_event(Ehlo(1.0, "0" * 16, T, "x")))
            assert await server.line() == f"filter-result|{'0' * 16}|{T}|reject|550 no"
            task.cancel()
            assert await server.line() == f"filter-result|{S}|{T}|reject|550 no"

    asyncio.run(main())


def test_a_superseded_request_is_not_answered() -> None:
    """Only the latest request of a session is answered, even if the older one's handler comes to an end later."""
    release: list[asyncio.Future[Decision]] = []

    async def wait(_: Auth) -> Decision:
        release.append(asyncio.get_running_loop().create_future())
        return await release[-1]

    async def use(server: Server) -> None:
        await server.send(encode_event(Auth(*IDS, "LOGIN")))
        assert await server.answer(Ehlo(*IDS, "x")) == "proceed"
        release[0].set_result(REFUSED)
        assert await server.answer(MailFrom(*IDS, "x")) == "proceed"

    run(Filter(requests={Auth: wait}), use)


def test_a_server_that_does_not_read_gets_all_later() -> None:
    """Answers that do not fit into the socket wait, in order, and nothing else does."""
    sessions = 5000

    async def use(server: Server) -> None:
        lines = [encode_event(Ehlo(1.0, f"{number:016x}", T, "x")) for number in range(sessions)]
        await server.send(*lines)
        for number in range(sessions):
            assert (await server.line()).split("|")[1] == f"{number:016x}"

    run(Filter(default=Reject("550 " + "x" * 400)), use)


def test_a_server_that_goes_away_is_no_error() -> None:
    """A reset and a broken pipe end the filter like any end of input."""

    async def main() -> None:
        async with served(Filter(default=Reject("550 " + "x" * 400))) as (server, task):
            lines = [encode_event(Ehlo(1.0, f"{number:016x}", T, "x")) for number in range(5000)]
            await server.send(*lines)
            server.close()
            await asyncio.wait_for(task, 10)

    asyncio.run(main())


def test_pipes_serve_as_well() -> None:
    """Input and output may be two pipes."""

    async def main() -> None:
        their_input, our_output = os.pipe()
        our_input, their_output = os.pipe()
        task = asyncio.create_task(
            Filter(requests={Auth: lambda _: REFUSED}).serve(their_input, their_output)
        )
        os.write(our_output, handshake() + encode_event(Auth(*IDS, "LOGIN")))
        wanted = (
            f"register|filter|smtp-in|auth\nregister|ready\nfilter-result|{S}|{T}|reject|550 no\n".encode()
        )
        received = b""
        while len(received) < len(wanted):
            received += await asyncio.wait_for(asyncio.to_thread(os.read, our_input, 65536), 10)
        os.close(our_output)
        await asyncio.wait_for(task, 10)
        os.close(our_input)
        assert wanted == received

    asyncio.run(main())


def test_log_lines_are_lines() -> None:
    """A record is one printable line, its traceback included."""
    error = ZeroDivisionError("a\nb\x1b")
    failure = (ZeroDivisionError, error, None)
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "c\r\nd\\", None, failure)
    line = LineFormatter("%(message)s").format(record)
    assert line.isprintable()
    assert line.startswith("c | d\\\\ | ")
    assert line.endswith("ZeroDivisionError: a | b\\x1b")
