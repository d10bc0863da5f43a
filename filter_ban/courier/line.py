# SPDX-License-Identifier: ISC
"""One connection to a server, with deadlines, and with bounds for what it may answer."""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self

import redis
from redis.asyncio.connection import Connection as TcpConnection
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection
from redis.exceptions import RedisError, ResponseError

from filter_ban import certificate
from filter_ban.courier.tls import Tls, context_of
from filter_ban.refusal import refusal
from filter_ban.text import excerpt

CONNECT_S: Final = 1.2  # the first repetition of a lost SYN comes after one second
ANSWER_S: Final = 2.0
MAX_REPLY_BYTES: Final = 32 << 20
STRANGE: Final = (ValueError, TypeError, LookupError, AttributeError)
"""What may come of an answer that is none of the documented form."""
_FIRST_WITH_RESP3: Final = 5
_SILENT: Final = ("driver_info", "lib_name", "lib_version")


class StoreError(Exception):
    """A store does not do what it should; the text may be shown."""


class RefusedError(StoreError):
    """A store has answered with an error; the connection is as good as before."""


class TooLargeError(StoreError):
    """An answer is larger than any should be."""


class Line:
    """
    A connection that is either well or closed: what goes wrong with it raises StoreError, and it is closed.

    Args:
        address: Host and port, or the path of a socket.
        db: Number of the database.
        user: In the access list of the server; empty: the default one.
        password: For that user; empty: none.
        tls: What TLS needs; None: it is without.

    Raises:
        StoreError: *tls* is not what it should be.

    """

    def __init__(
        self,
        address: tuple[str, int] | str,
        *,
        db: int = 0,
        user: str = "",
        password: str = "",
        tls: Tls | None = None,
    ) -> None:
        self._address = address
        self._tls = tls
        self._has_heard = False
        self._link: asyncio.WriteTransport | None = None
        self._bound: _BoundedReader | None = None
        options: dict[str, Any] = {
            "db": db,
            "username": user or None,
            "password": password or None,
            "socket_timeout": None,  # the deadlines are here
            "socket_connect_timeout": CONNECT_S,
        }
        if int(redis.VERSION[0]) >= _FIRST_WITH_RESP3:
            options["protocol"] = 2  # so that answers look the same everywhere
        try:
            self._connection = _connection(address, options, tls)
        except (OSError, ValueError) as error:
            raise StoreError(f"certificates: {problem_of(error)}") from None
        parser = type(self._connection._parser)  # noqa: SLF001 - the one that suits the protocol
        self._connection.set_parser(_bounded(parser, self._opened))
        for name in _SILENT:
            setattr(self._connection, name, None)  # CLIENT SETINFO would need a right in the access list

    async def __aenter__(self) -> Self:
        await self._within(CONNECT_S + ANSWER_S, self._connection.connect)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def ask(self, *command: bytes | str | int, timeout_s: float = ANSWER_S) -> Any:
        """
        Return the answer to *command*.

        Raises:
            StoreError: there is none, or it is an error.

        """
        (answer,) = await self.ask_all([command], timeout_s=timeout_s)
        if isinstance(answer, RefusedError):
            raise answer
        return answer

    async def ask_all(
        self, commands: list[tuple[bytes | str | int, ...]], *, timeout_s: float = ANSWER_S
    ) -> list[Any]:
        """
        Return the answers to *commands*, which are sent at once; one that is an error is a RefusedError.

        Raises:
            StoreError: there is no answer.

        """
        packed = self._connection.pack_commands(commands)

        async def exchange() -> list[Any]:
            await self._connection.send_packed_command(packed)
            return [await self._read() for _ in commands]

        answers: list[Any] = await self._within(timeout_s, exchange)
        self._has_heard = True
        return answers

    async def _read(self) -> Any:
        if self._bound is not None:
            self._bound.room = MAX_REPLY_BYTES
        try:
            return await self._connection.read_response()
        except ResponseError as error:
            return RefusedError(problem_of(error))

    async def _within(self, timeout_s: float, action: Callable[[], Awaitable[Any]]) -> Any:
        try:
            async with asyncio.timeout(timeout_s):
                return await action()
        except BaseException as error:
            await self._close()
            if isinstance(error, StoreError) or not isinstance(error, Exception):
                raise
            # whatever a store sends, it is trouble with the store
            raise StoreError(problem_of(await self._refusal(error) or error)) from None

    async def _refusal(self, error: Exception) -> Exception | None:
        """Return what the store has against us, if that may have been lost with *error*."""
        has_just_connected = self._link is not None and not self._has_heard
        if self._tls is None or isinstance(self._address, str) or not has_just_connected:
            return None
        if isinstance(error, ResponseError | TimeoutError):
            return None
        return await refusal(self._address, context_of(self._tls))

    def _opened(self, bound: "_BoundedReader", link: asyncio.WriteTransport) -> None:
        self._bound, self._link = bound, link

    async def _close(self) -> None:
        """Close it at once: what is not sent yet, and a farewell in TLS, would wait for a server that hangs."""
        if self._link is not None:
            self._link.abort()
        try:
            await self._connection.disconnect()
        except (RedisError, OSError, ValueError):
            return


class _BoundedReader:
    """A StreamReader of which no more than ``room`` bytes can be read."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self.room = MAX_REPLY_BYTES

    async def read(self, size: int) -> bytes:
        return self._take(await self._reader.read(size))

    async def readline(self) -> bytes:
        return self._take(await self._reader.readline())

    async def readexactly(self, size: int) -> bytes:
        if size > self.room:
            raise TooLargeError("answer too large")
        return self._take(await self._reader.readexactly(size))

    def _take(self, data: bytes) -> bytes:
        self.room -= len(data)
        if self.room < 0:
            raise TooLargeError("answer too large")
        return data


def _bounded(parser: Any, opened: Callable[[_BoundedReader, asyncio.WriteTransport], None]) -> Any:
    """Return redis-py's *parser*, made to read no more than it may."""

    class Parser(parser):  # type: ignore[misc]
        def on_connect(self, connection: Any) -> None:
            bound = _BoundedReader(connection._reader)  # noqa: SLF001 - where its own parsers find it
            connection._reader = bound  # noqa: SLF001 - as above
            opened(bound, connection._writer.transport)  # noqa: SLF001 - as above
            super().on_connect(connection)

    return Parser


def _connection(
    address: tuple[str, int] | str, options: dict[str, Any], tls: Tls | None
) -> TcpConnection | UnixDomainSocketConnection:
    if isinstance(address, str):
        return UnixDomainSocketConnection(path=address, **options)
    host, port = address
    if tls is not None:
        connection = SSLConnection(host=host, port=port, **options)
        # redis-py's own would believe in the system's certificates too
        connection.ssl_context.context = context_of(tls)
        return connection
    return TcpConnection(host=host, port=port, **options)


def problem_of(error: BaseException) -> str:
    """Return what *error* is about, short and fit to be shown."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, StoreError | certificate.CertificateError):
            return str(cause)
        if isinstance(cause, ssl.SSLError):
            return certificate.problem_of(cause)
        if isinstance(cause, TimeoutError | redis.exceptions.TimeoutError):
            return "no answer in time"
        if isinstance(cause, OSError) and cause.strerror:
            known = (cause.errno or 0) > 0  # a resolver's errors are negative
            return os.strerror(cause.errno or 0) if known else excerpt(cause.strerror)
        cause = cause.__cause__ or cause.__context__
    return excerpt(str(error) or type(error).__name__)
