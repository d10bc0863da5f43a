# SPDX-License-Identifier: ISC
"""
HTTP for those who must not make this process slow or big: aiohttp, 3.8 or newer, with deadlines and limits of our own.

Whatever waits for a client (the rest of a request, an answer that is not read) has a deadline or ends the connection.
"""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, Protocol, cast

from aiohttp import web

from filter_ban.logline import fact

_log = logging.getLogger(__name__)

REQUEST_S: Final = 5.0  # for a request to arrive whole; all our clients send it in one piece
IDLE_S: Final = 60.0  # Dovecot itself closes after 10 s, Prometheus after 5 min
LINGER_S: Final = 1.0  # for the rest of a request that has been refused
CLOSE_S: Final = 0.1  # nothing that could be finished takes longer
MAX_PIPELINED: Final = 1000  # requests that wait for their turn
MAX_UNANSWERED_BYTES: Final = 4 << 20  # old versions of aiohttp bound each header, but not their number


class Failure(Protocol):
    """Makes the answer that says why there is no other; *headers* belong to the status."""

    def __call__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> web.Response:
        """Return it."""


class HttpError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers


class HttpServer:
    """
    Answers requests; create it within the loop that runs it.

    Args:
        name: What it is for, as the log says it.
        respond: Returns the answer to a request, or raises HttpError.
        failure: Makes the answer to what has no other.
        max_connections: The one that has been idle or slow for longest makes room for one more.

    """

    def __init__(
        self,
        name: str,
        respond: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        failure: Failure,
        max_connections: int,
    ) -> None:
        self.name = name
        self.failure = failure
        self._respond = respond
        self._server = web.Server(self._handle)
        self._open = _Connections(max_connections)

    @property
    def connections(self) -> list[web.RequestHandler]:
        """The open connections."""
        return self._server.connections

    def factory(self) -> asyncio.Protocol:
        """Return the protocol of one more connection, as ``loop.create_server`` asks for it."""
        return _Connection(self, self._server, self._open)

    async def close(self) -> None:
        """Close all connections; a request that has not arrived whole is not waited for."""
        for connection in self._server.connections:
            connection.close()
        await self._server.shutdown(CLOSE_S)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, _Connection)
        connection.begun()
        try:
            return await self._respond(request)
        except HttpError as error:
            return self.failure(error.status, error.reason, error.headers)
        finally:
            connection.answered()


class _Connections:
    """The open connections; the one that has been idle or slow for longest makes room for a new one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[_Connection, None] = {}  # longest without an answer first

    def add(self, connection: "_Connection") -> None:
        """Take in a connection that was opened."""
        if len(self._open) >= self._most:
            next(iter(self._open)).drop()
        self._open[connection] = None

    def answered(self, connection: "_Connection") -> None:
        """Take note of an answer on *connection*."""
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = None

    def remove(self, connection: "_Connection") -> None:
        """Forget a connection that was closed."""
        self._open.pop(connection, None)


class _Connection(web.RequestHandler):
    """aiohttp's side of a connection, with deadlines and limits of our own."""

    __slots__ = ("_connections", "_deadline", "_of", "_unanswered_bytes", "_wire")

    def __init__(self, of: HttpServer, server: web.Server, connections: _Connections) -> None:
        settings: dict[str, Any] = {
            "keepalive_timeout": IDLE_S,
            "lingering_time": LINGER_S,
            "access_log": None,
            "auto_decompress": False,  # none of our clients compresses
        }
        super().__init__(server, loop=asyncio.get_running_loop(), **settings)
        self._of = of
        self._connections = connections
        self._deadline: asyncio.TimerHandle | None = None  # None: idle
        self._unanswered_bytes = 0
        self._wire: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._wire = cast("asyncio.Transport", transport)  # uvloop's are none to isinstance
        self.begun()
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Take any cut of the requests."""
        self.begun()
        self._unanswered_bytes += len(data)
        try:
            super().data_received(data)
        except Exception as error:  # noqa: BLE001 - aiohttp 3.8 to 3.11 break down over some targets
            self.log_exception(exc_info=error)
            self.drop()
        # the queue is aiohttp's own, which newer versions bound themselves
        ahead = len(getattr(self, "_messages", ()))
        if ahead > MAX_PIPELINED or self._unanswered_bytes > MAX_UNANSWERED_BYTES:
            self.drop()

    def pause_writing(self) -> None:
        """Drop a client that does not read its answers."""
        super().pause_writing()
        self.drop()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._stop_deadline()
        self._connections.remove(self)
        super().connection_lost(exc)

    def begun(self) -> None:
        """Expect the whole of a request within REQUEST_S of its first byte."""
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(REQUEST_S, self.drop)

    def answered(self) -> None:
        """Be idle until the next request."""
        self._unanswered_bytes = 0
        self._stop_deadline()
        self._connections.answered(self)

    def drop(self) -> None:
        """Close the connection at once."""
        self._connections.remove(self)
        if self._wire is not None:
            self._wire.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer where aiohttp has no answer of ours: what came is no HTTP, or there was a fault in this program."""
        del request, message
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            response = self._of.failure(status, "not an HTTP request that can be read")
        else:
            _log.error(fact(f"{self._of.name}-failed", error=type(exc).__name__, where=_where(exc)))
            response = self._of.failure(status, "internal error; the daemon's log has more")
        response.force_close()
        return response

    def log_exception(self, *_args: object, **details: object) -> None:
        """Log that aiohttp broke down over what a client sent, without quoting it; called by aiohttp."""
        _log.warning(fact(f"{self._of.name}-dropped", why=type(details.get("exc_info")).__name__))

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _where(error: BaseException | None) -> str:
    """Return where *error* was raised; its text is not for the log, it may quote the request."""
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    return f"{frames[-1].name}:{frames[-1].lineno}" if frames else "unknown"
