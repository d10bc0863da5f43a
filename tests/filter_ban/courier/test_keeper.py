# SPDX-License-Identifier: ISC
"""Room for the streams in a real store."""

import asyncio
import time
from pathlib import Path
from typing import Any

from filter_ban.cluster.keys import ClusterKeys
from filter_ban.cluster.shards import stream_name
from filter_ban.courier.epoch import Epoch
from filter_ban.courier.errand import Post
from filter_ban.courier.health import Health
from filter_ban.courier.keeper import Keeper
from filter_ban.courier.settings import Settings
from filter_ban.courier.stores import places
from tests.filter_ban.courier.node import PREFIX, settings
from tests.filter_ban.courier.redis_server import RedisServer

STREAM = stream_name(PREFIX, 0)


class Silence:
    """An engine that is not told."""

    def mention(self, verb: str, facts: dict[str, Any]) -> None:
        """Tell nobody."""


def look(told: Settings) -> None:
    """Have a keeper look after its place once, at a time when it is to trim."""

    async def look_once() -> None:
        desk: Any = Silence()
        (place,) = places(told)
        keys = ClusterKeys(told.key.encode())
        health = Health(desk, 0)
        post = Post(
            place=place,
            health=health,
            epoch=Epoch(told.prefix, 0),
            desk=desk,
            keys=keys,
            settings=told,
        )
        keeper = Keeper(post, is_current=lambda: False, published=dict, missing=lambda *_: 0)
        keeper._trim_at_s = 0
        async with place.connect() as line:
            await keeper._look(line)

    asyncio.run(look_once())


def test_age(store: RedisServer, folder: Path) -> None:
    """What is older than strikes matter is removed, and nothing else."""
    for age_s in (*range(10_000, 9_000, -1), 10):
        store.ask("XADD", STREAM, f"{int((time.time() - age_s) * 1000)}-0", "m", "x" * 100)
    look(settings(store.url, retention_s=3600))
    assert 1 <= store.ask("XLEN", STREAM) < 200
    look(settings(store.url, retention_s=3600))
    assert store.ask("XREVRANGE", STREAM, "+", "-", "COUNT", 1)


def test_memory(store: RedisServer) -> None:
    """A stream that takes more than its share of memory loses its oldest entries."""
    for _ in range(600):
        store.ask("XADD", STREAM, "*", "m", "x" * 10_000)
    last = store.ask("XREVRANGE", STREAM, "+", "-", "COUNT", 1)[0][0]
    look(settings(store.url, max_mb=1000, shards=2, retention_s=3600))
    assert store.ask("XLEN", STREAM) == 600
    look(settings(store.url, max_mb=4, shards=2, retention_s=3600))
    assert store.ask("MEMORY", "USAGE", STREAM) <= 2 << 20
    assert store.ask("XLEN", STREAM) > 150
    assert store.ask("XREVRANGE", STREAM, "+", "-", "COUNT", 1)[0][0] == last
