# SPDX-License-Identifier: ISC
"""Looks after a place: clock, epoch, room for the streams, snapshots, and what nodes tell of themselves."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import attrs

from filter_ban.cluster.message import with_offset
from filter_ban.cluster.shards import snapshot_name, stream_name
from filter_ban.courier.errand import Errand, Post
from filter_ban.courier.line import Line, RefusedError, StoreError
from filter_ban.courier.peers import Missing, Peers, Told
from filter_ban.courier.snapshots import Chunk, SnapshotWriter, lock_name, manifest_in
from filter_ban.courier.store_clock import measure

LOOK_S: Final = 5.0
TRIM_S: Final = 60.0
_LOCK_MS: Final = 60_000  # who has it composes a snapshot, or is gone
_MANY: Final = 50  # nodes; with more of them each looks and trims less often
_KEPT: Final = 0.9  # of the share of memory, so that it is not trimmed for each entry


class Keeper(Errand):
    """
    Looks after a place.

    Args:
        post: Where.
        is_current: Says whether this node knows enough to compose a snapshot.
        published: Says how many notices of each shard this node has published.
        missing: Says how many notices of a node have not come.

    """

    def __init__(
        self,
        post: Post,
        *,
        is_current: Callable[[], bool],
        published: Callable[[], dict[int, int]],
        missing: Missing,
    ) -> None:
        super().__init__(post)
        place, settings, keys = post.place, post.settings, post.keys
        self._is_current = is_current
        self._published = published
        self._missing = missing
        self._share_bytes = (settings.max_mb << 20) // len(settings.shards_on(place.store))
        self._writer = SnapshotWriter(keys, settings.prefix, settings.node)
        self._nodes = f"{settings.prefix}:{{{place.first}}}:nodes"
        self._peers = Peers(keys, self._nodes, settings.node)
        self._facts: dict[str, Any] | None = None  # what the engine wants to be told
        self._chunks: deque[Chunk] = deque()
        self._wake = asyncio.Event()
        self._lock_ms = min(_LOCK_MS, 1000 * settings.snapshot_s)
        self._store_s = 0.0
        self._trim_at_s = time.monotonic() + random.uniform(0, TRIM_S)  # noqa: S311 - against all at once
        self._hear_at_s = 0.0
        self._look_at_s = 0.0
        self._is_there = False
        self._may_be_due = False

    def tell(self, facts: dict[str, Any]) -> None:
        """Have *facts* told to other nodes."""
        if self._facts is None:
            self._look_at_s = 0.0
            self._wake.set()
        self._facts = facts

    def store(self, chunk: Chunk) -> None:
        """Have a piece of a snapshot stored; while the store cannot be reached, it is left out."""
        self._chunks.append(chunk)
        if self._is_there:
            self._wake.set()
        else:
            self._leave_out()

    def look(self) -> None:
        """Look at once whether a snapshot is due."""
        self._may_be_due = True
        self._wake.set()

    async def work(self, line: Line) -> None:
        """Look after the place every few seconds, and store what there is to store."""
        self._is_there = True
        try:
            while True:
                self._look_at_s = time.monotonic() + LOOK_S
                await self._look(line)
                while time.monotonic() < self._look_at_s:
                    await self._rest()
                    await self._store_chunks(line)
                    if self._may_be_due:
                        self._may_be_due = False
                        await self._compose(line)
        finally:
            self._is_there = False
            self._leave_out()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._look_at_s - time.monotonic()):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _store_chunks(self, line: Line) -> None:
        while self._chunks:
            chunk = self._chunks[0]
            message = with_offset(chunk.message, self.health.told_offset_s)
            try:
                await self._writer.store(line, attrs.evolve(chunk, message=message), self._store_s)
            except StoreError:
                self._writer.abandon(chunk.shard)
                raise
            self._answer(self._chunks.popleft())

    def _leave_out(self) -> None:
        while self._chunks:
            chunk = self._chunks.popleft()
            self._writer.abandon(chunk.shard)
            self._answer(chunk)

    def _answer(self, chunk: Chunk) -> None:
        self.desk.tell("stored", {"shard": chunk.shard, "index": chunk.index})

    async def _look(self, line: Line) -> None:
        self._store_s = await measure(line, self.health)
        await self.epoch.look(line)
        problem: RefusedError | None = None
        # a store that is full still lets us trim and read, and must
        for step in (self._trim, self._hear_peers, self._compose, self._tell_peers):
            try:
                await step(line)
            except RefusedError as error:
                problem = problem or error
        if problem is not None:
            raise problem
        self.well()

    async def _trim(self, line: Line) -> None:
        """Keep the streams to what still matters, and to their share of memory."""
        if time.monotonic() < self._trim_at_s:
            return
        self._trim_at_s = time.monotonic() + TRIM_S * self._slowness() * random.uniform(0.7, 1.3)  # noqa: S311 - as above
        oldest_ms = max(0, int((self._store_s - self.retention_s) * 1000))
        for shard in self.place.shards:
            stream = stream_name(self.settings.prefix, shard)
            await _trim_to(line, stream, "MINID", oldest_ms)
            used = await line.ask("MEMORY", "USAGE", stream) or 0
            if used > self._share_bytes:
                entries = await line.ask("XLEN", stream)
                await _trim_to(line, stream, "MAXLEN", int(entries * _KEPT * self._share_bytes / used))

    async def _compose(self, line: Line) -> None:
        """Ask for a snapshot if one is due and nobody else has."""
        if not self.settings.composes or not self._is_current():
            return
        first = self.place.first
        manifest = await manifest_in(line, self.keys, snapshot_name(self.settings.prefix, first))
        # where there are several places, the age of the first shard's snapshot stands for all
        if manifest is not None and (
            first != 0 or abs(self._store_s - manifest.made_s) < self.settings.snapshot_s
        ):
            return
        lock = lock_name(self.settings.prefix, first)
        if await line.ask("SET", lock, self.settings.node, "NX", "PX", self._lock_ms):
            self.desk.tell("compose", {})

    async def _tell_peers(self, line: Line) -> None:
        if self.place.first != 0 or self._facts is None:
            return
        told = Told(
            time_s=round(self._store_s, 3),
            started=self.settings.started,
            offset_s=round(self.health.offset_s, 3),
            published=self._published(),
            facts=self._facts,
        )
        node = self.settings.node
        await line.ask("HSET", self._nodes, node, told.seal(self.keys, self._peers.place_of(node)))

    async def _hear_peers(self, line: Line) -> None:
        if self.place.first != 0 or time.monotonic() < self._hear_at_s:
            return
        self._hear_at_s = time.monotonic() + (LOOK_S - 0.5) * self._slowness()
        values = await line.ask("HGETALL", self._nodes)
        gone = self._peers.hear(zip(values[::2], values[1::2], strict=True), self._store_s)
        if gone:
            await line.ask("HDEL", self._nodes, *gone)
        self.desk.mention("peers", {"peers": self._peers.document(self.health.offset_s, self._missing)})

    def _slowness(self) -> float:
        return max(1.0, len(self._peers) / _MANY)


async def _trim_to(line: Line, stream: str, strategy: str, threshold: int) -> None:
    """Trim a stream; a server removes no more than ten thousand entries at once."""
    while await line.ask("XTRIM", stream, strategy, "~", threshold):
        pass
