# SPDX-License-Identifier: ISC
"""
The shells: a policy server and a client, with asyncio.

A complete server, for ``check_policy_service inet:127.0.0.1:10040`` in main.cf::

    def decide(request: PolicyRequest, peer: Peer) -> Action:
        return Reply("421 4.7.0 Not now") if request.client_address == "192.0.2.7" else Dunno()

    server = PolicyServer(decide)
    await server.listen_tcp("127.0.0.1", 10040)

Handlers are plain functions that do not block: a task for each request costs more than its answer.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from typing import Final, Self, cast

import attrs

from postfix_policy._actions import Action
from postfix_policy._errors import PolicyProtocolError, RemoteProtocolError
from postfix_policy._protocol import ClientConnection, PolicyConnection
from postfix_policy._request import PolicyRequest
from postfix_policy._text import excerpt
from postfix_policy._wire import Limits

_BUFFER_BYTES: Final = 4096
"""
Read at a time: some requests of Postfix, and few enough of a flood that other connections get their turn. asyncio.Protocol
would have 256 KiB allocated for each read, which costs twice what the answer costs.
"""

_log = logging.getLogger(__name__)


@attrs.frozen(eq=False)
class Peer:
    """
    The other end of a connection: one smtpd process, for as long as it keeps the connection.

    Args:
        number: Of the connection, counted from 1.
        name: For logs.

    """

    number: int
    name: str

    def __str__(self) -> str:
        return f"connection {self.number} from {self.name}"


Handler = Callable[[PolicyRequest, Peer], Action]


class PolicyServer:
    """
    A policy server on any number of sockets.

    In case of trouble (a request that breaks the protocol, a handler that raises or returns no action) it does what
    SMTPD_POLICY_README says: no reply, one warning, close. Postfix then tries once more and takes its default action.

    Args:
        handler: Decides on a request.
        closed: Is told of a connection that has ended.
        limits: What one connection may send.
        max_connections: A further one is closed at once. Each smtpd process has one for each way in which
            check_policy_service is written; Postfix starts 100 processes for a service by default.
        idle_timeout_s: How long a connection may be without a request. Postfix closes idle ones itself, but idle
            processes do not come to it, and to be closed costs Postfix a second: give it time.
        request_timeout_s: How long a request may take to arrive, and a reply to be taken.

    """

    def __init__(
        self,
        handler: Handler,
        *,
        closed: Callable[[Peer], object] | None = None,
        limits: Limits | None = None,
        max_connections: int = 1000,
        idle_timeout_s: float = 3600.0,
        request_timeout_s: float = 10.0,
    ) -> None:
        self.handler = handler
        self.closed = closed
        self.limits = limits or Limits()
        self.max_connections = max_connections
        self.idle_timeout_s = idle_timeout_s
        self.request_timeout_s = request_timeout_s
        self.stopping = False
        self._servers: list[asyncio.Server] = []
        self._connections: set[_Connection] = set()
        self._emptied: asyncio.Future[None] | None = None
        self._count = 0

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._connections)

    @property
    def sockets(self) -> list[socket.socket]:
        """The listening sockets, in the order in which they were opened."""
        return [sock for server in self._servers for sock in server.sockets]

    async def listen_tcp(self, host: str, port: int) -> None:
        """Listen on a TCP port; 0 for any that is free."""
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_server(self._new_connection, host, port))

    async def listen_unix(self, path: str) -> None:
        """Listen on a unix socket at *path*, in the place of one that stands there; umask decides who may connect."""
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_unix_server(self._new_connection, path))

    async def listen_socket(self, sock: socket.socket) -> None:
        """Listen on a stream socket that is bound already; it belongs to the server then, but for its path."""
        # not create_unix_server: that one removes the socket's path at its end
        self._servers.append(await asyncio.get_running_loop().create_server(self._new_connection, sock=sock))

    async def stop(self, timeout_s: float = 5.0) -> None:
        """Stop listening, finish the requests that have begun to arrive, for at most *timeout_s*, and close."""
        for server in self._servers:
            server.close()
        for _ in range(2):  # the loop's next look at the sockets, and the reading of what it found
            await asyncio.sleep(0)
        self.stopping = True
        for connection in list(self._connections):
            connection.finish()
        if self._connections:
            self._emptied = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._emptied], timeout=timeout_s)
        for connection in list(self._connections):
            connection.abort()

    def admit(self, connection: "_Connection", name: str) -> Peer | None:
        """Return who *connection* is from now on, or None if there are too many."""
        if self.stopping or len(self._connections) >= self.max_connections:
            why = "stopping" if self.stopping else f"there are {len(self._connections)} already"
            _log.warning("connection from %s: closed, %s", name, why)
            return None
        self._count += 1
        self._connections.add(connection)
        return Peer(self._count, name)

    def forget(self, connection: "_Connection", peer: Peer) -> None:
        """Drop a connection that has ended."""
        self._connections.discard(connection)
        if self._emptied is not None and not self._connections and not self._emptied.done():
            self._emptied.set_result(None)
        if self.closed is not None:
            self.closed(peer)

    def _new_connection(self) -> "_Connection":
        return _Connection(self)


class _Connection(asyncio.BufferedProtocol):
    """Bytes from one smtpd process to the handler, and the replies back within the same call."""

    def __init__(self, server: PolicyServer) -> None:
        self._server = server
        self._handler = server.handler
        self._core = PolicyConnection(server.limits)
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._loop = asyncio.get_running_loop()
        self._active_s = self._loop.time()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are not derived from it
        self._peer = self._server.admit(self, _name(self._transport))
        if self._peer is None:
            self._transport.abort()
        else:
            self._watch(self._server.idle_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._cancel_deadline()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._peer is not None:
            self._server.forget(self, self._peer)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Answer the requests that are complete now, in their order and with one write."""
        self._active_s = self._loop.time()
        core, peer, replies = self._core, self._peer, []
        assert peer is not None
        try:
            for request in core.receive_data(bytes(self._buffer[:nbytes])):
                replies.append(core.encode_action(request, self._handler(request, peer)))  # noqa: PERF401 - kept when a later one fails
        except PolicyProtocolError as error:
            self._give_up(replies, "%s: %s", peer, error)
            return
        except Exception as error:  # noqa: BLE001 - whatever a handler does, Postfix gets no reply and others are served
            self._give_up(replies, "%s: handler failed: %s", peer, excerpt(repr(error)), exc_info=error)
            return
        if replies:
            self._cancel_deadline()
            self._transport.write(replies[0] if len(replies) == 1 else b"".join(replies))
        if core.incomplete or self._server.stopping:
            self._settle()

    def eof_received(self) -> None:
        try:
            self._core.receive_eof()
        except RemoteProtocolError as error:
            _log.warning("%s: %s", self._peer, error)

    def pause_writing(self) -> None:
        """Read no more requests until the replies are taken."""
        self._paused = True
        self._transport.pause_reading()
        self._settle()

    def resume_writing(self) -> None:
        """Go on reading."""
        self._paused = False
        if not self._transport.is_closing():
            self._cancel_deadline()
            self._transport.resume_reading()
            self._settle()

    def finish(self) -> None:
        """Close as soon as nothing is open: neither a request begun nor a reply not taken."""
        if not self._core.incomplete:
            self._close()

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()

    def _settle(self) -> None:
        """Give what is under way its time; close if the server is stopping and nothing is."""
        if (self._core.incomplete or self._paused) and self._deadline is None:
            self._deadline = self._loop.call_later(self._server.request_timeout_s, self._expire)
        if self._server.stopping:
            self.finish()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        what = "replies not taken" if self._paused else "request not completed"
        _log.warning("%s: %s within %g s", self._peer, what, self._server.request_timeout_s)
        self._transport.abort()

    def _watch(self, delay_s: float) -> None:
        self._idle_timer = self._loop.call_later(delay_s, self._check_idle)

    def _check_idle(self) -> None:
        """Close if there was no request for too long. The timer runs on its own, so that a request sets none."""
        left_s = self._active_s + self._server.idle_timeout_s - self._loop.time()
        if left_s > 0:
            self._watch(left_s)
        else:
            _log.info("%s: closed, idle for %g s", self._peer, self._server.idle_timeout_s)
            self._close()

    def _give_up(
        self, replies: list[bytes], message: str, *values: object, exc_info: Exception | None = None
    ) -> None:
        """Log, send what was answered before the trouble, and close without a further reply."""
        _log.warning(message, *values, exc_info=exc_info)
        self._transport.write(b"".join(replies))
        self._close()

    def _close(self) -> None:
        """Close when what was written is taken, or when that takes too long."""
        self._cancel_deadline()
        self._deadline = self._loop.call_later(self._server.request_timeout_s, self._transport.abort)
        self._transport.close()


def _name(transport: asyncio.Transport) -> str:
    """Return the other end for logs: address and port, or the path of our unix socket."""
    peer, ours = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    if isinstance(peer, tuple):
        return f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"
    if isinstance(ours, str | bytes):
        return f"unix:{excerpt(os.fsdecode(ours))}"
    return "a client that is gone already"


class PolicyClient:
    """
    A connection to a policy server; made by `connect_tcp` or `connect_unix`, an asynchronous context manager.

    Args:
        timeout_s: How long a reply may take.

    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout_s: float) -> None:
        self._reader = reader
        self._writer = writer
        self._timeout_s = timeout_s
        self._core = ClientConnection()
        self._turn = asyncio.Lock()

    @classmethod
    async def connect_tcp(cls, host: str, port: int, *, timeout_s: float = 10.0) -> Self:
        """Connect to a TCP port."""
        async with asyncio.timeout(timeout_s):
            return cls(*await asyncio.open_connection(host, port), timeout_s)

    @classmethod
    async def connect_unix(cls, path: str, *, timeout_s: float = 10.0) -> Self:
        """Connect to a unix socket."""
        async with asyncio.timeout(timeout_s):
            return cls(*await asyncio.open_unix_connection(path), timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def ask(self, request: PolicyRequest) -> Action:
        """
        Return the action for *request*; requests of several tasks are sent one after another.

        Raises:
            LocalProtocolError: *request* cannot be sent; nothing was.
            RemoteProtocolError: the server closed, or did not reply as it must; the connection is closed.
            TimeoutError, OSError: there was no reply, or no way to it; the connection is closed.

        """
        async with self._turn:
            data = self._core.encode_request(request)
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._exchange(data)
            except BaseException:
                self._writer.close()
                raise

    async def close(self) -> None:
        """Close the connection, as Postfix does between requests."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _exchange(self, data: bytes) -> Action:
        self._writer.write(data)
        await self._writer.drain()
        while True:
            received = await self._reader.read(_BUFFER_BYTES)
            if not received:
                self._core.receive_eof()
            actions = list(self._core.receive_data(received))
            if actions:
                return actions[0]
