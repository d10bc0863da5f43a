# SPDX-License-Identifier: ISC
"""Hands a snapshot to the courier, chunk by chunk: what a node that comes later must know."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from filter_ban.cluster.message import MAX_NOTICES, Header, pack
from filter_ban.cluster.notice import Encoder, Notice, subject
from filter_ban.cluster.shards import shard_of
from filter_ban.daemon.cluster_figures import ClusterFigures
from filter_ban.daemon.turns import Turns


class Composer:
    """
    Composes one snapshot at a time.

    Args:
        node: Name of this node.
        started: See :mod:`filter_ban.cluster.message`.
        shards: How many there are.
        encoder: Makes rows of notices.
        turns: Of all work that takes long.
        send: Sends a frame to the courier.
        figures: Have the time of the last snapshot.

    """

    def __init__(
        self,
        *,
        node: str,
        started: int,
        shards: int,
        encoder: Encoder,
        turns: Turns,
        send: Callable[[str, dict[str, Any], bytes], None],
        figures: ClusterFigures,
    ) -> None:
        self._head = Header(node=node, started=started, first=1, count=0)
        self._shards = shards
        self._encoder = encoder
        self._turns = turns
        self._send = send
        self._figures = figures
        self._stored = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self, memory: Iterable[Notice]) -> None:
        """Compose a snapshot of *memory*, unless one is being composed."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._compose(memory))

    def stored(self) -> None:
        """Take note that the last chunk is stored."""
        self._stored.set()

    def stop(self) -> None:
        """Leave the rest out: the courier is gone."""
        if self._task is not None:
            self._task.cancel()

    async def _compose(self, memory: Iterable[Notice]) -> None:
        rows: list[list[Any]] = [[] for _ in range(self._shards)]
        sent = [0] * self._shards
        async for notices in self._turns.pieces(memory):
            for notice in notices:
                shard = shard_of(subject(notice), self._shards)
                rows[shard].append(self._encoder.encode(notice))
                if len(rows[shard]) == MAX_NOTICES:
                    chunk, rows[shard] = rows[shard], []
                    await self._store(shard, sent[shard], chunk, last=False)
                    sent[shard] += 1
        for shard, rest in enumerate(rows):
            await self._store(shard, sent[shard], rest, last=True)
        self._figures.snapshot_s = time.time()

    async def _store(self, shard: int, index: int, rows: list[list[Any]], *, last: bool) -> None:
        message = pack(attrs.evolve(self._head, count=len(rows)), rows)
        self._stored.clear()
        self._send("chunk", {"shard": shard, "index": index, "last": last}, message)
        await self._stored.wait()
