# SPDX-License-Identifier: ISC
"""The server and the client, on loopback and unix sockets: requests are answered in order, trouble gets no reply."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from postfix_policy import (
    Action,
    Dunno,
    Limits,
    LocalProtocolError,
    PolicyRequest,
    Prepend,
    ProtocolState,
    Reject,
    RemoteProtocolError,
    Reply,
    encode_action,
    encode_request,
)
from postfix_policy.aio import Peer, PolicyClient, PolicyServer
from postfix_policy.testing import FakeSession, FakeSmtpd

BANNED = "192.0.2.66"
REFUSAL = Reply("421 4.7.0 Not now")
DUNNO = b"action=DUNNO\n\n"
CONNECT = encode_request(FakeSession().connect())
REQUEST = b"request=smtpd_access_policy\n"


def decide(request: PolicyRequest, _: Peer) -> Action:
    """Refuse one client; break down or answer nonsense where a test wants it."""
    if request.client_address == "raise":
        raise ZeroDivisionError("a handler's\nfault")
    if request.client_address == "none":
        return None  # type: ignore[return-value]  # that is the test
    if request.size:
        return Reject(f"{request.size}")
    return REFUSAL if request.client_address == BANNED else Dunno()


class Raw:
    """A connection that sends any bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send *data*."""
        self.writer.write(data)
        await asyncio.wait_for(self.writer.drain(), 10)

    async def replies(self, count: int) -> bytes:
        """Return so many replies."""
        data = b""
        while data.count(b"\n\n") < count:
            data += await asyncio.wait_for(self.reader.readuntil(b"\n\n"), 10)
        return data

    async def rest(self) -> bytes:
        """Return what comes until the server closes."""
        with contextlib.suppress(ConnectionResetError):
            return await asyncio.wait_for(self.reader.read(), 10)
        return b""

    def close(self) -> None:
        """Close."""
        self.writer.close()


def port_of(server: PolicyServer) -> int:
    """Return the port of the server's first socket."""
    port: int = server.sockets[0].getsockname()[1]
    return port


async def connect(server: PolicyServer) -> Raw:
    """Return a new connection to *server*."""
    return Raw(*await asyncio.open_connection("127.0.0.1", port_of(server)))


async def until(done: Callable[[], bool]) -> None:
    """Wait until *done*, for some seconds at most."""
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110 - what is waited for makes no event
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[PolicyServer]:
    """Serve on loopback."""
    server = PolicyServer(options.pop("handler", decide), **options)
    await server.listen_tcp("127.0.0.1", 0)
    try:
        yield server
    finally:
        await server.stop(0)


def run(use: Callable[[PolicyServer], Awaitable[None]], **options: Any) -> None:
    """Let *use* talk to a server; others must still be answered afterwards."""

    async def main() -> None:
        async with serving(**options) as server:
            await use(server)
            if not server.stopping:
                async with await PolicyClient.connect_tcp("127.0.0.1", port_of(server)) as client:
                    assert await client.ask(FakeSession().connect()) == Dunno()
            await until(lambda: server.connections == 0 or not server.stopping)

    asyncio.run(main())


def test_sessions_of_many_clients() -> None:
    """Each client gets its answer, on one connection or on many, over all states of a session."""

    async def use(server: PolicyServer) -> None:
        async def visit(number: int) -> None:
            address = BANNED if number % 2 else f"192.0.2.{number}"
            expected = REFUSAL if number % 2 else Dunno()
            async with await PolicyClient.connect_tcp("127.0.0.1", port_of(server)) as client:
                session = FakeSession(address)
                for request in (
                    session.connect(),
                    session.ehlo(),
                    session.mail(),
                    session.rcpt(),
                    session.data(),
                ):
                    assert await client.ask(request) == expected

        await asyncio.gather(*map(visit, range(20)))

    run(use)


def test_uvloop() -> None:
    """The server is the same with uvloop, whose transports are not asyncio's."""
    uvloop = pytest.importorskip("uvloop", reason='needs the extra "fast"')

    async def main() -> None:
        async with serving() as server:
            async with await PolicyClient.connect_tcp("127.0.0.1", port_of(server)) as client:
                assert await client.ask(FakeSession(BANNED).connect()) == REFUSAL
            raw = await connect(server)
            raw.writer.write(CONNECT * 3 + b"\0\n" + CONNECT)
            assert await raw.rest() == DUNNO * 3
            raw.close()
            await until(lambda: server.connections == 0)

    uvloop.run(main())


class Gone(asyncio.Transport):
    """The transport of a connection whose client left before it was looked at."""

    closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the system still knows."""
        return ("127.0.0.1", 10040) if name == "sockname" else default

    def abort(self) -> None:
        """Take note."""
        self.closed = True


def test_client_that_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    """A client that left before its connection was accepted has no address; it is forgotten as any other."""

    async def main() -> None:
        server = PolicyServer(decide, max_connections=1)
        first, second = server._new_connection(), server._new_connection()
        transport = Gone()
        first.connection_made(Gone())
        second.connection_made(transport)
        assert server.connections == 1
        assert transport.closed
        first.connection_lost(None)
        second.connection_lost(None)
        assert server.connections == 0

    asyncio.run(main())
    assert "connection from a client that is gone already: closed" in caplog.text


def test_tasks_share_a_client() -> None:
    """Requests of several tasks on one client wait for their turn and get their own answers."""

    async def use(server: PolicyServer) -> None:
        async with await PolicyClient.connect_tcp("127.0.0.1", port_of(server)) as client:
            asked = [
                client.ask(PolicyRequest({"request": "smtpd_access_policy", "size": str(n)}))
                for n in range(1, 9)
            ]
            assert await asyncio.gather(*asked) == [Reject(str(n)) for n in range(1, 9)]

    run(use)


def test_unix_socket(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The server listens on a unix socket, in the place of an old one; logs name its path."""
    path = str(tmp_path / "policy")
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(path)

    async def main() -> None:
        server = PolicyServer(decide)
        await server.listen_unix(path)
        async with await PolicyClient.connect_unix(path) as client:
            assert await client.ask(FakeSession(BANNED).connect()) == REFUSAL
            with pytest.raises(RemoteProtocolError, match="closed without a reply"):
                await client.ask(FakeSession("raise").connect())
        await server.stop()

    asyncio.run(main())
    assert f"connection 1 from unix:{path}"[:80] in caplog.text


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_inherited_socket(family: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The server listens on a socket that somebody else bound; what waited there is answered."""
    sock = socket.socket(family)
    sock.bind(
        str(tmp_path / "policy")
        if family == socket.AF_UNIX
        else ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0)
    )
    sock.listen()
    address: Any = sock.getsockname()

    async def main() -> None:
        smtpd = await asyncio.to_thread(FakeSmtpd, address if isinstance(address, str) else address[:2])
        server = PolicyServer(decide)
        await server.listen_socket(sock)
        with smtpd:
            assert await asyncio.to_thread(smtpd.ask, FakeSession().connect()) == Dunno()
            with pytest.raises(RemoteProtocolError):
                await asyncio.to_thread(smtpd.ask, FakeSession("raise").connect())
        await server.stop()

    asyncio.run(main())
    assert ("from [::1]:" in caplog.text) == (family == socket.AF_INET6)


@pytest.mark.parametrize("size", [1, 7, len(CONNECT) - 1])
def test_pieces(size: int) -> None:
    """A request is answered once, when its last byte is there, however it comes."""

    async def use(server: PolicyServer) -> None:
        raw = await connect(server)
        raw.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(CONNECT), size):
            await raw.send(CONNECT[at : at + size])
            await asyncio.sleep(0)
        assert await raw.replies(1) == DUNNO
        raw.close()

    run(use)


def test_pipelined_requests_are_answered_in_order() -> None:
    """Thousands of requests at once are answered in order, while others get their answers."""

    async def use(server: PolicyServer) -> None:
        raw = await connect(server)
        sent = asyncio.create_task(raw.send(b"".join(REQUEST + b"size=%d\n\n" % n for n in range(1, 5001))))
        async with await PolicyClient.connect_tcp("127.0.0.1", port_of(server)) as client:
            assert await client.ask(FakeSession().connect()) == Dunno()
        replies = await raw.replies(5000)
        await sent
        assert replies == b"".join(b"action=REJECT %d\n\n" % n for n in range(1, 5001))
        raw.close()

    run(use)


TROUBLE = {
    "1 MB line": (b"a=" + b"x" * (1 << 20), "line longer than 8192 bytes"),
    "1 MB of attributes": (b"a=1\n" * (1 << 18), "more than 128 attributes"),
    "NUL": (REQUEST + b"sender=a\0b\n\n", "must be name=value without NUL"),
    "CR LF": (CONNECT.replace(b"\n", b"\r\n"), "must be name=value"),
    "no kind": (b"client_address=192.0.2.7\n\n", "must be smtpd_access_policy"),
    "HTTP": (b"GET / HTTP/1.1\r\n\r\n", "must be name=value"),
    "empty lines": (b"\n\n\n", "empty line"),
    "handler that raises": (
        REQUEST + b"client_address=raise\n\n",
        r"handler failed: ZeroDivisionError(",
    ),
    "handler without an action": (REQUEST + b"client_address=none\n\n", "must be an action"),
}


@pytest.mark.parametrize(("data", "problem"), TROUBLE.values(), ids=TROUBLE)
def test_trouble_gets_no_reply(data: bytes, problem: str, caplog: pytest.LogCaptureFixture) -> None:
    """In trouble what came before is answered, then the connection is closed without a reply, with one line in the log."""

    async def use(server: PolicyServer) -> None:
        raw = await connect(server)
        raw.writer.write(CONNECT * 2 + data + CONNECT)
        assert await raw.rest() in (DUNNO * 2, b"")  # what is not read resets the connection
        raw.close()

    run(use)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert problem in record.getMessage()
    assert record.getMessage().startswith("connection 1 from 127.0.0.1:")
    assert record.getMessage().isprintable()
    assert len(record.getMessage()) < 300


@pytest.mark.parametrize("data", [b"request=smtpd", CONNECT[:-1]])
def test_half_a_request(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A connection that ends inside a request is logged; nothing is answered."""

    async def use(server: PolicyServer) -> None:
        raw = await connect(server)
        await raw.send(data)
        raw.writer.write_eof()
        assert await raw.rest() == b""
        raw.close()

    run(use)
    assert "end of input inside" in caplog.text


def test_half_closed_connection_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    """A client that has no more requests still gets its replies, and then the end."""

    async def use(server: PolicyServer) -> None:
        raw = await connect(server)
        raw.writer.write(CONNECT * 3)
        raw.writer.write_eof()
        assert await raw.rest() == DUNNO * 3
        raw.close()

    run(use)
    assert not caplog.records


def test_too_many_connections(caplog: pytest.LogCaptureFixture) -> None:
    """A connection beyond the limit is closed at once; the others stay, and its place can be taken later."""

    async def use(server: PolicyServer) -> None:
        first, second = await connect(server), await connect(server)
        await until(lambda: server.connections == 2)
        third = await connect(server)
        assert await third.rest() == b""
        await first.send(CONNECT)
        assert await first.replies(1) == DUNNO
        for raw in (first, second, third):
            raw.close()
        await until(lambda: server.connections == 0)

    run(use, max_connections=2)
    assert "closed, there are 2 already" in caplog.text


def test_idle_connections() -> None:
    """Hundreds of idle connections keep nobody from being answered."""

    async def use(server: PolicyServer) -> None:
        idle = [await connect(server) for _ in range(200)]
        await until(lambda: server.connections == 200)
        async with await PolicyClient.connect_tcp("127.0.0.1", port_of(server)) as client:
            for _ in range(10):
                assert await client.ask(FakeSession(BANNED).connect()) == REFUSAL
        for raw in idle:
            raw.close()
        await until(lambda: server.connections == 0)

    run(use)


def test_idle_timeout(caplog: pytest.LogCaptureFixture) -> None:
    """A connection without requests is closed after its time; a request gives it as much again."""
    caplog.set_level(logging.INFO)

    async def use(server: PolicyServer) -> None:
        raw = await connect(server)
        await raw.send(CONNECT)
        assert await raw.replies(1) == DUNNO
        assert await raw.rest() == b""
        raw.close()

    run(use, idle_timeout_s=0.3)
    assert "closed, idle for 0.3 s" in caplog.text


def test_slow_request(caplog: pytest.LogCaptureFixture) -> None:
    """A request that does not get ready in time ends the connection, however steadily its bytes come."""

    async def use(server: PolicyServer) -> None:
        raw = await connect(server)
        await raw.send(CONNECT[:300])
        await asyncio.sleep(0)
        await raw.send(CONNECT[300:] + CONNECT[:10])  # the time begins anew with each request
        assert await raw.replies(1) == DUNNO

        async def trickle() -> None:
            while not raw.writer.is_closing():
                raw.writer.write(b"x")
                await asyncio.sleep(0.001)

        task = asyncio.create_task(trickle())
        assert await raw.rest() == b""
        raw.close()
        await asyncio.wait([task], timeout=10)

    run(use, request_timeout_s=0.3)
    assert "request not completed within 0.3 s" in caplog.text


LONG = Prepend("X-Long: " + "x" * 990)
SHORT_REQUEST = REQUEST + b"a=\n\n"
FITTING = 128  # requests in one read, whose replies are too many for the buffers
assert FITTING * len(SHORT_REQUEST) == 4096


class Flood:
    """A connection that sends short requests, has long replies and reads them late, if at all."""

    def __init__(self, server: PolicyServer, requests: int) -> None:
        server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.expected = encode_action(LONG) * requests
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect(("127.0.0.1", port_of(server)))
        self._socket.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._sending = asyncio.create_task(self._send(SHORT_REQUEST * requests))

    async def _send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            await self._loop.sock_sendall(self._socket, data)

    async def receive(self) -> bytes:
        """Return the replies, all or those before the end."""
        received = b""
        async with asyncio.timeout(10):
            while len(received) < len(self.expected) and (
                data := await self._loop.sock_recv(self._socket, 65536)
            ):
                received += data
        return received

    async def close(self) -> None:
        """Close."""
        await self._sending
        self._socket.close()


class Counting:
    """A handler with long actions, that counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, request: PolicyRequest, _: Peer) -> Action:
        """Return a long action for requests without a client."""
        self.count += 1
        return Dunno() if request.client_address else LONG


def test_client_that_does_not_read(caplog: pytest.LogCaptureFixture) -> None:
    """Of a client that does not take its replies nothing more is read, and in the end it is cut off."""
    handler = Counting()

    async def use(server: PolicyServer) -> None:
        client = Flood(server, 20 * FITTING)
        await until(lambda: handler.count >= FITTING)
        await until(lambda: server.connections == 0)
        await client.close()

    run(use, handler=handler, request_timeout_s=0.1)
    assert "replies not taken within 0.1 s" in caplog.text
    assert handler.count <= 4 * FITTING


def test_client_that_reads_late() -> None:
    """A client that takes its replies late gets all of them."""
    handler = Counting()

    async def use(server: PolicyServer) -> None:
        client = Flood(server, 5 * FITTING)
        await until(lambda: handler.count >= FITTING)
        assert await client.receive() == client.expected
        await client.close()

    run(use, handler=handler)


def test_stop_delivers_what_is_written() -> None:
    """On stop the replies to what was read are delivered, slowly if need be."""
    handler = Counting()

    async def use(server: PolicyServer) -> None:
        client = Flood(server, FITTING)
        await until(lambda: handler.count == FITTING)
        stopping = asyncio.create_task(server.stop(10))
        assert await client.receive() == client.expected
        await stopping
        await client.close()

    run(use, handler=handler)


def test_closed_connections_are_told() -> None:
    """Whoever wants to know learns of each connection's end, with the peer that the handler was given."""
    seen: list[Peer] = []
    ended: list[Peer] = []

    def note(request: PolicyRequest, peer: Peer) -> Action:
        seen.append(peer)
        return decide(request, peer)

    async def use(server: PolicyServer) -> None:
        for number in (1, 2):
            async with await PolicyClient.connect_tcp("127.0.0.1", port_of(server)) as client:
                await client.ask(FakeSession().connect())
                await client.ask(FakeSession().connect())
            await until(lambda number=number: len(ended) == number)  # type: ignore[misc]  # bound now

    run(use, handler=note, closed=ended.append)
    assert [peer.number for peer in seen] == [1, 1, 2, 2, 3]
    assert ended == [seen[0], seen[2], seen[4]]


def test_stop_finishes_what_it_has() -> None:
    """On stop idle connections are closed, requests that are there or under way are answered first."""

    async def main() -> None:
        async with serving() as server:
            port = port_of(server)
            idle, waiting, half = [await connect(server) for _ in range(3)]
            await half.send(CONNECT[:50])
            await until(lambda: server.connections == 3)
            await waiting.send(CONNECT)
            stopping = asyncio.create_task(server.stop(10))
            assert await waiting.rest() == DUNNO
            assert await idle.rest() == b""
            assert not stopping.done()
            assert server.connections == 1
            await half.send(CONNECT[50:])
            assert await half.rest() == DUNNO
            await stopping
            assert server.connections == 0
            for raw in (idle, waiting, half):
                raw.close()
            with pytest.raises(ConnectionRefusedError):
                await PolicyClient.connect_tcp("127.0.0.1", port)

    asyncio.run(main())


def test_stop_does_not_wait_for_ever() -> None:
    """On stop a request that does not get ready is given up after the time allowed."""

    async def main() -> None:
        async with serving() as server:
            raw = await connect(server)
            await raw.send(CONNECT[:50])
            await until(lambda: server.connections == 1)
            await asyncio.sleep(0.01)
            await server.stop(0.01)
            assert await raw.rest() == b""
            await until(lambda: server.connections == 0)
            raw.close()

    asyncio.run(main())


def test_limits_are_the_callers() -> None:
    """The server keeps the limits that it was given."""

    async def use(server: PolicyServer) -> None:
        raw = await connect(server)
        raw.writer.write(REQUEST + b"sender=" + b"x" * 900 + b"\n\n")
        assert await raw.rest() == b""
        raw.close()

    run(use, limits=Limits(line_bytes=900))


@contextlib.asynccontextmanager
async def answering(reply: bytes | None) -> AsyncIterator[int]:
    """Serve a bad server: it sends *reply* and closes, or says nothing if there is none."""
    hang = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\n\n")
        if reply is None:
            await hang.wait()
        else:
            for at in range(len(reply)):
                writer.write(reply[at : at + 1])
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        hang.set()
        server.close()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        *(
            (b"", RemoteProtocolError),
            (b"action=DUNNO\n", RemoteProtocolError),
            (b"action=521\n\n", RemoteProtocolError),
        ),
        *((b"garbage\n\n", RemoteProtocolError), (None, TimeoutError)),
    ],
)
def test_client_of_a_bad_server(reply: bytes | None, error: type[Exception]) -> None:
    """The client says what the matter is, and is of no use afterwards."""

    async def main() -> None:
        async with (
            answering(reply) as port,
            await PolicyClient.connect_tcp("127.0.0.1", port, timeout_s=0.2) as client,
        ):
            with pytest.raises(error):
                await client.ask(FakeSession().connect())
            with pytest.raises((RemoteProtocolError, OSError)):
                await client.ask(FakeSession().connect())

    asyncio.run(main())


def test_client_gets_a_reply_in_pieces() -> None:
    """A reply may come byte by byte."""

    async def main() -> None:
        async with answering(DUNNO) as port, await PolicyClient.connect_tcp("127.0.0.1", port) as client:
            assert await client.ask(FakeSession().connect()) == Dunno()

    asyncio.run(main())


def test_client_survives_what_it_cannot_send() -> None:
    """A request that cannot be sent leaves the connection usable."""

    async def use(server: PolicyServer) -> None:
        async with await PolicyClient.connect_tcp("127.0.0.1", port_of(server)) as client:
            with pytest.raises(LocalProtocolError):
                await client.ask(PolicyRequest({"sender": "a\nb"}))
            session = FakeSession()
            assert session.connect().protocol_state == ProtocolState.CONNECT
            assert await client.ask(session.ehlo()) == Dunno()

    run(use)
