# SPDX-License-Identifier: ISC
"""
A visit to a store of the cluster: what the servers behind its URL say of themselves, and what we may do there.

Nothing of what nodes have written is changed: commands are tried on keys of the doctor's own, which are gone afterwards.
Needs the extra "cluster".
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
from redis import Redis, exceptions
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry

from filter_ban import certificate
from filter_ban.doctor.store import Login, Place, Server, StoreError, Visit
from filter_ban.refusal import refusal

CONNECT_S: Final = 1.0
ANSWER_S: Final = 2.0
TAIL_MESSAGES: Final = 100  # of each stream
_TAIL_MS: Final = 60_000
_NOTHING_THERE: Final = "no such key"  # what XINFO says of it
_STRANGE: Final = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)  # of answers that are not of their form


def visit(place: Place, login: Login, prefix: str, streams: Mapping[int, str]) -> Visit:
    """
    Visit a store.

    Args:
        place: Where it is.
        login: As whom.
        prefix: How the names of all keys begin.
        streams: The names of the streams that are kept there, by shard.

    Raises:
        StoreError: it cannot be visited.

    """
    with ExitStack() as opened:
        try:
            servers = _connect(place, login, opened)
            nodes_name = f"{prefix}:{{{min(streams)}}}:nodes"
            return Visit(
                servers=tuple({server.place: _look(server) for server in servers}.values()),
                failed=dict(_try_each(servers, prefix)),
                stream_bytes=sum(_size(name, servers) for name in streams.values()),
                tails={shard: _tail(name, servers) for shard, name in streams.items()},
                nodes_name=nodes_name,
                nodes=_or_none(_client_of(nodes_name, servers).hgetall, nodes_name) or {},
            )
        except (exceptions.RedisError, OSError, *_STRANGE) as error:
            raise _failure(error) from error


@attrs.frozen
class _Server:
    """A server, and the slots of keys that it has."""

    place: str
    client: Any  # what its methods return differs between versions of the library
    first: int = 0
    last: int = 16_383


def _client_of(key: str, servers: Sequence[_Server]) -> Any:
    """Return the client of the server that has *key*."""
    slot = key_slot(key.encode())
    for server in servers:
        if server.first <= slot <= server.last:
            return server.client
    raise ValueError(f"no server has slot {slot}")


# --- connecting


def _connect(place: Place, login: Login, opened: ExitStack) -> list[_Server]:
    """Return the servers that take writes; *opened* closes the connections."""
    options = {**_options(place, login), "db": place.database}

    def open_at(host: str, port: int) -> Any:
        client = opened.enter_context(Redis(host=host, port=port, **options))
        with _certificate_heeded(place, login, (host, port)):
            client.ping()
        return client

    if place.path:
        client = opened.enter_context(Redis(unix_socket_path=place.path, **options))
        client.ping()
        return [_Server(place.path, client)]
    if place.kind != "cluster":
        host, port = _master(place, login.at_sentinels()) if place.kind == "sentinel" else place.hosts[0]
        return [_Server(_text(host, port), open_at(host, port))]
    slots = _slots(place, open_at)
    clients = {address: open_at(*address) for address in {at for _, _, at in slots}}
    return [_Server(_text(*address), clients[address], first, last) for first, last, address in slots]


def _slots(place: Place, open_at: Callable[..., Any]) -> list[tuple[int, int, tuple[str, int]]]:
    """Return the slots of each part of a cluster, with host and port of the server that has them."""
    trouble: Exception = ValueError("it has no server")
    for seed, seed_port in place.hosts:
        try:
            slots = open_at(seed, seed_port).execute_command("CLUSTER SLOTS")
        except exceptions.RedisError as error:
            trouble = error
        else:
            return [
                (first, last, (host.decode() or seed, port)) for first, last, (host, port, *_), *_ in slots
            ]
    raise trouble


def _master(place: Place, login: Login) -> tuple[str, int]:
    """Return host and port of the server that the first Sentinel to answer names."""
    trouble = StoreError("down", f"no Sentinel can be asked, or none knows {place.name}")
    for address in place.hosts:
        try:
            named = _ask_sentinel(place, login, address)
        except (exceptions.RedisError, OSError, *_STRANGE) as error:
            failure = _failure(error)
            if failure.kind == "login" or isinstance(error, exceptions.NoPermissionError):
                failure = StoreError("sentinel-login", str(failure))
            if failure.kind != "down":
                trouble = failure
        else:
            if named:
                host, port = named
                return host.decode(), int(port)
    raise trouble


def _ask_sentinel(place: Place, login: Login, address: tuple[str, int]) -> Any:
    """Return what a Sentinel says of the server of that name; nothing where it knows none."""
    host, port = address
    sentinel: Any = Redis(host=host, port=port, **_options(place, login))
    with sentinel, _certificate_heeded(place, login, address):
        return sentinel.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", place.name)


@contextmanager
def _certificate_heeded(place: Place, login: Login, address: tuple[str, int]) -> Iterator[None]:
    """Raise what a server has against our certificate, where what it came of says less."""
    try:
        yield
    except exceptions.AuthenticationError:
        raise
    except exceptions.ConnectionError:
        if not place.tls:
            raise
        context = ssl.create_default_context(cafile=login.ca_file or None)
        if login.certificate_file:
            certificate.load(context, Path(login.certificate_file), Path(login.certificate_key_file))
        why = asyncio.run(refusal(address, context))
        if why is None:
            raise
        raise exceptions.ConnectionError(str(why)) from why


def _text(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _options(place: Place, login: Login) -> dict[str, Any]:
    options: dict[str, Any] = {
        "username": login.user or None,
        "password": login.password or None,
        "socket_connect_timeout": CONNECT_S,
        "socket_timeout": ANSWER_S,
        "retry": Retry(NoBackoff(), 0),
    }
    if place.tls:
        options |= {
            "ssl": True,
            "ssl_check_hostname": True,
            "ssl_ca_certs": login.ca_file or None,
            "ssl_certfile": login.certificate_file or None,
            "ssl_keyfile": login.certificate_key_file or None,
        }
    return options


def _failure(error: BaseException) -> StoreError:
    """Return what *error* is about, in few words."""
    text = str(error)
    if isinstance(error, exceptions.AuthenticationError) or text.startswith(("NOAUTH", "WRONGPASS")):
        return StoreError("login", text)
    if isinstance(error, exceptions.BusyLoadingError):
        return StoreError("loading", text)
    if isinstance(error, (exceptions.InvalidResponse, *_STRANGE)) or "protocol error" in text.lower():
        return StoreError("strange", text)
    otherwise = StoreError("down" if isinstance(error, exceptions.ConnectionError) else "strange", text)
    return next(filter(None, map(_failure_below, _causes(error))), otherwise)


def _failure_below(cause: BaseException) -> StoreError | None:
    """Return what is wrong between us and a store, if *cause* says so."""
    match cause:
        case ssl.SSLError():
            kind = "certificate" if certificate.is_refused(cause) else "tls"
            return StoreError(kind, certificate.problem_of(cause))
        case TimeoutError() | exceptions.TimeoutError():
            return StoreError("down", "no answer in time")
        case OSError() if cause.strerror:
            return StoreError("down", cause.strerror)
        case _:
            return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield *error*, and what it came of."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


# --- looking


def _look(server: _Server) -> Server:
    before_s = time.time()
    clock = _or_none(server.client.time)
    offset_s = None
    if isinstance(clock, tuple):
        seconds, micros = clock
        offset_s = seconds + micros / 1e6 - (before_s + time.time()) / 2
    settings = _or_none(server.client.config_get, "save") or {}
    return Server(server.place, _or_none(server.client.info), offset_s, settings.get("save"))


def _or_none(ask: Callable[..., Any], *arguments: Any) -> Any:
    """Return the answer; None: it is refused."""
    try:
        return ask(*arguments)
    except exceptions.ResponseError:
        return None


def _trials(prefix: str) -> Iterator[tuple[str, ...]]:
    """Yield every command that nodes need, in a form that leaves nothing behind."""
    stream, table, lock = (f"{prefix}:{{doctor}}:{name}" for name in ("stream", "hash", "lock"))
    yield "XADD", stream, "NOMKSTREAM", "*", "m", "", "t", ""
    yield "XREAD", "COUNT", "1", "STREAMS", stream, "0-0"
    yield "XTRIM", stream, "MINID", "~", "0"
    yield "XLEN", stream
    yield "XINFO STREAM", stream
    yield "MEMORY USAGE", stream
    yield "SET", lock, "doctor", "NX", "PX", "1"
    yield "GET", lock
    yield "HGET", table, "field"
    yield "HMGET", table, "field"
    yield "HGETALL", table
    yield "HKEYS", table
    yield "HDEL", table, "field"
    yield "HSET", table, "field", ""
    yield "HDEL", table, "field"


def _try_each(servers: Sequence[_Server], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield each command that fails, and why."""
    client = _client_of(f"{prefix}:{{doctor}}:", servers)
    for trial in _trials(prefix):
        try:
            client.execute_command(*trial)
        except exceptions.ResponseError as error:
            if _NOTHING_THERE in str(error):
                continue
            yield trial[0], str(error)
            if trial[0] == "HDEL":
                return  # what HSET wrote would stay


def _size(stream: str, servers: Sequence[_Server]) -> int:
    """Return the memory that a stream takes, as far as we may know."""
    return _or_none(_client_of(stream, servers).memory_usage, stream) or 0


def _tail(stream: str, servers: Sequence[_Server]) -> list[tuple[bytes, bytes]]:
    """Return message and tag of what came in the last minute, or the first of it."""
    from_ms = max(0, int(time.time() * 1000) - _TAIL_MS)
    answer = _or_none(_client_of(stream, servers).xread, {stream: str(from_ms)}, TAIL_MESSAGES)
    return [(fields.get(b"m", b""), fields.get(b"t", b"")) for _, fields in _entries(answer)]


def _entries(answer: Any) -> list[Any]:
    """Return the entries of the one stream that was read; the library's versions differ in how they give them."""
    if not answer:
        return []
    ((_, entries),) = answer.items() if isinstance(answer, dict) else answer
    return entries[0] if len(entries) == 1 and isinstance(entries[0], list) else entries
