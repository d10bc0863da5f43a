# SPDX-License-Identifier: ISC
"""
The HTTP server for Dovecot's auth policy: what the DovecotSensor decides, as weakforced would say it.

It must never be slow by its own doing. An answer is computed within one call; whatever waits for a client (the rest of a
request, an answer that is not read) has a deadline or ends the connection. aiohttp, 3.8 or newer, does the HTTP.

Source: weakforced's API (``docs/swagger/wforce_api.7.yml``), as Dovecot 2.3 and 2.4 use it.
"""

import asyncio
import base64
import hmac
import json
import logging
import traceback
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import web

from filter_ban.logline import fact
from filter_ban.sensors.dovecot import Attributes, DovecotSensor

_log = logging.getLogger(__name__)

REQUEST_S: Final = 5.0  # for a request to arrive whole; Dovecot sends it in one piece
IDLE_S: Final = 60.0  # Dovecot itself closes after 10 s
LINGER_S: Final = 1.0  # for the rest of a request that has been refused
CLOSE_S: Final = 0.1  # nothing that could be finished takes longer
MAX_CONNECTIONS: Final = 500  # Dovecot opens 100 at most, mostly two
MAX_BODY_BYTES: Final = 64 << 10
MAX_PIPELINED: Final = 1000  # requests that wait for their turn
MAX_UNANSWERED_BYTES: Final = 4 << 20  # old versions of aiohttp bound each header, but not their number

_METHODS: Final = {"allow": "POST", "report": "POST", "ping": "GET"}
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"  # RFC 9110, 15.2.1


class DovecotServer:
    """
    Answers Dovecot; create it within the loop that runs it.

    Args:
        sensor: Counts and decides.
        settle: Called after each report: hands on what the engine decided.
        secret: What requests must carry as ``X-API-Key`` or as password of Basic authentication; empty: nothing.

    """

    def __init__(self, sensor: DovecotSensor, settle: Callable[[], None], secret: str = "") -> None:
        self._sensor = sensor
        self._settle = settle
        self._secret = secret.encode()
        self._server = web.Server(self._handle)
        self._connections = _Connections()

    def factory(self) -> asyncio.Protocol:
        """Return the protocol of one more connection, as ``loop.create_server`` asks for it."""
        return _Connection(self._server, self._connections)

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
            return _answer(await self._respond(request))
        except _HttpError as error:
            return _failure(error.status, error.reason, error.headers)
        finally:
            connection.answered()

    async def _respond(self, request: web.BaseRequest) -> dict[str, Any]:
        if self._secret and not self._has_secret(request):
            raise _HttpError(401, "wrong or missing secret", {"WWW-Authenticate": 'Basic realm="filter-ban"'})
        command = _command(request)
        method = _METHODS.get(command)
        if method is None:
            raise _HttpError(404, "unknown command; known are " + ", ".join(_METHODS))
        if request.method != method:
            raise _HttpError(405, f"{command} wants {method}", {"Allow": method})
        if command == "ping":
            return {"status": "ok"}
        attributes = _parse(await _read(request))
        return self._allow(attributes) if command == "allow" else self._report(attributes)

    def _allow(self, attributes: Attributes) -> dict[str, Any]:
        permission = self._sensor.allow(attributes)
        return {"status": 0 if permission.allowed else -1, "msg": permission.explanation, "r_attrs": {}}

    def _report(self, attributes: Attributes) -> dict[str, Any]:
        self._sensor.report(attributes)
        self._settle()
        return {"status": "ok"}

    def _has_secret(self, request: web.BaseRequest) -> bool:
        key = request.headers.get("X-API-Key", "").strip()
        return hmac.compare_digest(
            key.encode("utf-8", "surrogateescape"), self._secret
        ) or hmac.compare_digest(_password(request.headers.get("Authorization", "")), self._secret)


class _HttpError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers


class _Connections:
    """The open connections; the one that has been idle or slow for longest makes room for a new one."""

    def __init__(self) -> None:
        self._open: dict[_Connection, None] = {}  # longest without an answer first

    def add(self, connection: "_Connection") -> None:
        """Take in a connection that was opened."""
        if len(self._open) >= MAX_CONNECTIONS:
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

    __slots__ = ("_connections", "_deadline", "_unanswered_bytes", "_wire")

    def __init__(self, server: web.Server, connections: _Connections) -> None:
        settings: dict[str, Any] = {
            "keepalive_timeout": IDLE_S,
            "lingering_time": LINGER_S,
            "access_log": None,
            "auto_decompress": False,  # Dovecot compresses nothing
        }
        super().__init__(server, loop=asyncio.get_running_loop(), **settings)
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
            response = _failure(status, "not an HTTP request that can be read")
        else:
            _log.error(fact("dovecot-failed", error=type(exc).__name__, where=_where(exc)))
            response = _failure(status, "internal error; the daemon's log has more")
        response.force_close()
        return response

    def log_exception(self, *_args: object, **details: object) -> None:
        """Log that aiohttp broke down over what a client sent, without quoting it; called by aiohttp."""
        _log.warning(fact("dovecot-dropped", why=type(details.get("exc_info")).__name__))

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _command(request: web.BaseRequest) -> str:
    """Return the command of a request: the last ``command`` of the query (Dovecot appends it), or ``/command/NAME``."""
    commands = request.query.getall("command", [])
    if commands:
        return commands[-1]
    parent, _, name = request.path.rpartition("/")
    return name if parent.endswith("/command") else ""


async def _read(request: web.BaseRequest) -> bytes:
    too_large = _HttpError(413, f"a body has at most {MAX_BODY_BYTES} bytes")
    if _announced_bytes(request) > MAX_BODY_BYTES:
        raise too_large
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(_CONTINUE)
    chunks = []
    size = 0
    try:
        async for chunk in request.content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                break
    except Exception:  # noqa: BLE001 - aiohttp's error for a broken chunk or a lost connection depends on its version
        raise _HttpError(400, "the body cannot be read") from None
    if size > MAX_BODY_BYTES:
        raise too_large
    return b"".join(chunks)


def _announced_bytes(request: web.BaseRequest) -> int:
    try:
        return request.content_length or 0
    except ValueError:  # old versions of aiohttp let it pass
        raise _HttpError(400, "Content-Length is not a number") from None


def _parse(body: bytes) -> Attributes:
    try:
        attributes = json.loads(body)
    except (ValueError, RecursionError):
        raise _HttpError(400, "the body is not JSON") from None
    if not isinstance(attributes, dict):
        raise _HttpError(400, "the body is not a JSON object")
    return attributes


def _password(authorization: str) -> bytes:
    """Return the password of Basic authentication (RFC 7617), empty if there is none."""
    scheme, _, credentials = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _where(error: BaseException | None) -> str:
    """Return where *error* was raised; its text is not for the log, it may quote the request."""
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    return f"{frames[-1].name}:{frames[-1].lineno}" if frames else "unknown"


def _failure(status: int, reason: str, headers: dict[str, str] | None = None) -> web.Response:
    return _answer({"status": "failure", "reason": reason}, status, headers)


def _answer(answer: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    body = json.dumps(answer).encode()
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")
