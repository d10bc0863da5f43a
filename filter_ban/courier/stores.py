# SPDX-License-Identifier: ISC
"""
Where stores are: one server, the master that Sentinels name, or the servers of a cluster.

Commands of Source: Redis documentation, "Sentinel client spec" and "Redis cluster specification".
"""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
from redis.crc import key_slot

from filter_ban.courier.line import STRANGE, Line, StoreError
from filter_ban.courier.settings import Settings
from filter_ban.courier.tls import Tls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Address = tuple[str, int]
Answer = TypeVar("Answer")
_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_HOST: Final = re.compile(r"(?:\[([^]]+)\]|([^:]+))(?::([0-9]+))?")


@attrs.frozen
class Place:
    """Shards of one store that one connection reaches."""

    store: int
    shards: tuple[int, ...]
    connect: Callable[[], AbstractAsyncContextManager[Line]]

    @property
    def first(self) -> int:
        """The shard that lends its slot to what concerns the place as a whole."""
        return self.shards[0]


def places(settings: Settings) -> list[Place]:
    """Return where the shards are."""
    found: list[Place] = []
    for index, url in enumerate(settings.stores):
        shards = tuple(settings.shards_on(index))
        if not shards:
            continue
        store = _store(url, settings)
        parts = [(shard,) for shard in shards] if isinstance(store, _Cluster) else [shards]
        found += [Place(index, part, _connector(store, f"{settings.prefix}:{{{part[0]}}}")) for part in parts]
    return found


def _connector(store: "_Store", key: str) -> Callable[[], AbstractAsyncContextManager[Line]]:
    @asynccontextmanager
    async def connect() -> "AsyncIterator[Line]":
        async with await store.find(key) as line:
            yield line

    return connect


class _Store(ABC):
    """Finds the server that has a key now."""

    @abstractmethod
    async def find(self, key: str) -> Line:
        """
        Return a line to the server that has *key*, not connected yet.

        Raises:
            StoreError: nobody knows which one.

        """


class _Server(_Store):
    """One that is always the same."""

    def __init__(self, address: Address | str, options: dict[str, Any]) -> None:
        self._address = address
        self._options = options

    async def find(self, key: str) -> Line:  # noqa: ARG002 - it has all keys
        return Line(self._address, **self._options)


class _Sentinels(_Store):
    """
    The master that the first Sentinel to answer names.

    Args:
        sentinels: Where they are.
        name: Of the master.
        asked: Options of lines to Sentinels.
        options: Of lines to the master.

    """

    def __init__(
        self, sentinels: list[Address], name: str, asked: dict[str, Any], options: dict[str, Any]
    ) -> None:
        self._sentinels = sentinels
        self._name = name
        self._asked = asked
        self._options = options

    async def find(self, key: str) -> Line:  # noqa: ARG002 - it has all keys
        host, port = await _first_answer(self._sentinels, self._ask)
        return Line((host, port), **self._options)

    async def _ask(self, sentinel: Address) -> Address:
        try:
            async with Line(sentinel, **self._asked) as line:
                master = await line.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name)
        except StoreError as error:
            raise StoreError(f"Sentinel: {error}") from None
        if not master:
            raise StoreError("the Sentinel knows no such master")
        return master[0].decode(), int(master[1])


class _Cluster(_Store):
    """Servers that have slots of keys each."""

    def __init__(self, seeds: list[Address], options: dict[str, Any]) -> None:
        self._seeds = seeds
        self._options = options
        self._masters: set[Address] = set()

    async def find(self, key: str) -> Line:
        slot = key_slot(key.encode())
        masters = await _first_answer({*self._seeds, *self._masters}, self._ask)
        self._masters = {address for _, _, address in masters}
        for first, last, address in masters:
            if first <= slot <= last:
                return Line(address, **self._options)
        raise StoreError("no server of the cluster has the slot")

    async def _ask(self, server: Address) -> list[tuple[int, int, Address]]:
        async with Line(server, **self._options) as line:
            slots = await line.ask("CLUSTER", "SLOTS")
        return [
            (int(first), int(last), (host.decode() if host else server[0], int(port)))
            for first, last, (host, port, *_), *_ in slots
        ]


async def _first_answer(addresses: Iterable[Address], ask: Callable[[Address], Awaitable[Answer]]) -> Answer:
    """Return the first answer of those that are all asked at once."""
    asking = [asyncio.ensure_future(ask(address)) for address in addresses]
    trouble = StoreError("nobody to ask")
    try:
        for answer in asyncio.as_completed(asking):
            try:
                return await answer
            except StoreError as error:
                trouble = error
            except STRANGE:
                trouble = StoreError("strange answer")
        raise trouble
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


def _store(url: str, settings: Settings) -> _Store:
    """Return the store of a URL that the configuration has accepted."""
    scheme, _, rest = url.partition("://")
    is_secure = scheme.startswith("rediss")
    tls = Tls(settings.ca, settings.certificate, settings.certificate_key) if is_secure else None
    options: dict[str, Any] = {"user": settings.user, "password": settings.password, "tls": tls}
    if scheme == "unix":
        return _Server(rest, options)
    hosts, _, path = rest.partition("/")
    if scheme.endswith("+cluster"):
        return _Cluster(_addresses(hosts, _PORT), options)
    if scheme.endswith("+sentinel"):
        name, _, db = path.partition("/")
        asked = {"user": settings.sentinel_user, "password": settings.sentinel_password, "tls": tls}
        return _Sentinels(_addresses(hosts, _SENTINEL_PORT), name, asked, {**options, "db": int(db or 0)})
    return _Server(_addresses(hosts, _PORT)[0], {**options, "db": int(path or 0)})


def _addresses(hosts: str, default_port: int) -> list[Address]:
    matches = [_HOST.fullmatch(host) for host in hosts.split(",")]
    return [(match[1] or match[2], int(match[3] or default_port)) for match in matches if match]
