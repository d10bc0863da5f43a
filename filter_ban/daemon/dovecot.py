# SPDX-License-Identifier: ISC
"""
The HTTP server for Dovecot's auth policy: what the DovecotSensor decides, as weakforced would say it.

It must never be slow by its own doing: an answer is computed within one call.

Source: weakforced's API (``docs/swagger/wforce_api.7.yml``), as Dovecot 2.3 and 2.4 use it.
"""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from filter_ban.daemon.http_server import HttpError, HttpServer
from filter_ban.metrics import Histogram
from filter_ban.sensors.dovecot import Attributes, DovecotSensor

MAX_CONNECTIONS: Final = 500  # Dovecot opens 100 at most, mostly two
MAX_BODY_BYTES: Final = 64 << 10

_METHODS: Final = {"allow": "POST", "report": "POST", "ping": "GET"}
_OK: Final = {"status": "ok"}
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"  # RFC 9110, 15.2.1


class DovecotServer:
    """
    Answers Dovecot; create it within the loop that runs it.

    Args:
        sensor: Counts and decides.
        settle: Called after each report: hands on what the engine decided.
        secret: What requests must carry as ``X-API-Key`` or as password of Basic authentication; empty: nothing.
        took_s: Gets how long each answer to ``allow`` took; None: nothing is measured.

    """

    def __init__(
        self,
        sensor: DovecotSensor,
        settle: Callable[[], None],
        secret: str = "",
        took_s: Histogram | None = None,
    ) -> None:
        self._sensor = sensor
        self._settle = settle
        self._secret = secret.encode()
        self._took_s = took_s
        self._server = HttpServer("dovecot", self._respond, _failure, MAX_CONNECTIONS)

    def factory(self) -> asyncio.Protocol:
        """Return the protocol of one more connection, as ``loop.create_server`` asks for it."""
        return self._server.factory()

    async def close(self) -> None:
        """Close all connections; a request that has not arrived whole is not waited for."""
        await self._server.close()

    async def _respond(self, request: web.BaseRequest) -> web.Response:
        if self._secret and not self._has_secret(request):
            raise HttpError(401, "wrong or missing secret", {"WWW-Authenticate": 'Basic realm="filter-ban"'})
        command = _command(request)
        method = _METHODS.get(command)
        if method is None:
            raise HttpError(404, "unknown command; known are " + ", ".join(_METHODS))
        if request.method != method:
            raise HttpError(405, f"{command} wants {method}", {"Allow": method})
        if command == "ping":
            return _answer(_OK)
        body = await _read(request)
        return self._allow(body) if command == "allow" else self._report(_parse(body))

    def _allow(self, body: bytes) -> web.Response:
        begun_s = 0.0 if self._took_s is None else time.perf_counter()
        permission = self._sensor.allow(_parse(body))
        answer = _answer(
            {"status": 0 if permission.allowed else -1, "msg": permission.explanation, "r_attrs": {}}
        )
        if self._took_s is not None:
            self._took_s.observe(time.perf_counter() - begun_s)
        return answer

    def _report(self, attributes: Attributes) -> web.Response:
        self._sensor.report(attributes)
        self._settle()
        return _answer(_OK)

    def _has_secret(self, request: web.BaseRequest) -> bool:
        key = request.headers.get("X-API-Key", "").strip()
        return hmac.compare_digest(
            key.encode("utf-8", "surrogateescape"), self._secret
        ) or hmac.compare_digest(_password(request.headers.get("Authorization", "")), self._secret)


def _command(request: web.BaseRequest) -> str:
    """Return the command of a request: the last ``command`` of the query (Dovecot appends it), or ``/command/NAME``."""
    commands = request.query.getall("command", [])
    if commands:
        return commands[-1]
    parent, _, name = request.path.rpartition("/")
    return name if parent.endswith("/command") else ""


async def _read(request: web.BaseRequest) -> bytes:
    too_large = HttpError(413, f"a body has at most {MAX_BODY_BYTES} bytes")
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
        raise HttpError(400, "the body cannot be read") from None
    if size > MAX_BODY_BYTES:
        raise too_large
    return b"".join(chunks)


def _announced_bytes(request: web.BaseRequest) -> int:
    try:
        return request.content_length or 0
    except ValueError:  # old versions of aiohttp let it pass
        raise HttpError(400, "Content-Length is not a number") from None


def _parse(body: bytes) -> Attributes:
    try:
        attributes = json.loads(body)
    except (ValueError, RecursionError):
        raise HttpError(400, "the body is not JSON") from None
    if not isinstance(attributes, dict):
        raise HttpError(400, "the body is not a JSON object")
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


def _failure(status: int, reason: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return _answer({"status": "failure", "reason": reason}, status, headers)


def _answer(
    answer: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    body = json.dumps(answer).encode()
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")
