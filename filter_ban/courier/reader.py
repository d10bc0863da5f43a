# SPDX-License-Identifier: ISC
"""Hands over what other nodes put into the streams of a place: a snapshot first, then what has come since."""

import time
from collections.abc import Callable, Mapping
from typing import Final

import attrs

from filter_ban.cluster.shards import snapshot_name, stream_name
from filter_ban.courier.clock import shift
from filter_ban.courier.errand import Errand, Post
from filter_ban.courier.inspection import MESSAGE, Finding, Inspector, header_of
from filter_ban.courier.line import Line, RefusedError, StoreError, TooLargeError
from filter_ban.courier.sequences import Sequences
from filter_ban.courier.snapshots import chunks_of, first_manifest, lock_name, manifest_in
from filter_ban.courier.store_clock import measure
from filter_ban.courier.stream import START, Extent, is_id, order, read_entries, read_extent

BLOCK_S: Final = 0.5
OLD_S: Final = 86_400.0  # an older snapshot may have been put back; nodes have ledgers of their own
READ_S: Final = 2.0  # so soon a connection that is dead without a word is found
_ENTRIES: Final = 64  # of all streams together


@attrs.define
class _Stream:
    shard: int
    name: str
    inspector: Inspector
    position: str | None  # all up to there is with the engine, or not for it
    tail: str = START  # the last entry when the connection was opened
    told: str = ""  # the last entry that the engine knows of
    has_joined: bool = False
    is_current: bool = False
    is_renewed: bool = False  # read once more from its beginning; what has been heard there is no replay
    caught_up_s: float = 0.0  # by the store's clock: when nothing more was there


class Reader(Errand):
    """
    Reads the streams of a place.

    Args:
        post: Where.
        became_current: Called when all that was there when it came is with the engine.

    """

    def __init__(self, post: Post, became_current: Callable[[], None]) -> None:
        super().__init__(post)
        self._became_current = became_current
        place, epochs = post.place, post.settings.epochs
        self._read_epoch = epochs.get(place.store, "") if place.first == place.store else ""
        self._entries = _ENTRIES
        streams = [self._stream(shard) for shard in place.shards]
        self._streams = {stream.name: stream for stream in streams}

    def _stream(self, shard: int) -> _Stream:
        settings = self.settings
        name = stream_name(settings.prefix, shard)
        position = settings.positions.get(shard, "")
        sequences = Sequences(settings.heard.get(shard))
        inspector = Inspector(name, self.keys, settings.node, settings.started, sequences)
        return _Stream(shard, name, inspector, position if is_id(position) else None)

    @property
    def is_current(self) -> bool:
        """Whether all that was there when it came is with the engine."""
        return all(stream.is_current for stream in self._streams.values())

    def missing(self, node: str, started: int, published: Mapping[int, int], told_s: float) -> int:
        """Return how many of the notices that a node has *published* until *told_s* may still come."""
        return sum(
            stream.inspector.sequences.missing(node, started, published.get(stream.shard, 0))
            for stream in self._streams.values()
            if stream.caught_up_s < told_s
        )

    def mention_passed(self) -> None:
        """Tell the engine how far the streams are read where the last entries were not for it."""
        for stream in self._streams.values():
            if stream.is_current and stream.told != stream.position and not self.desk.awaits(stream.shard):
                stream.told = stream.position or ""
                self.desk.tell("passed", {"shard": stream.shard, "id": stream.told})

    async def work(self, line: Line) -> None:
        """Begin where the engine is, and go on for as long as the content of the place is the same."""
        while True:
            await self._begin(line)
            while self.epoch.name == self._read_epoch:
                try:
                    await self._read(line)
                except TooLargeError:
                    self._entries = max(1, self._entries // 4)
                    raise
                self.well()

    async def _begin(self, line: Line) -> None:
        now_s = await measure(line, self.health)
        name = await self.epoch.look(line)
        if self._read_epoch not in ("", name):
            for stream in self._streams.values():
                stream.position = None
        self._read_epoch = name
        since_s = time.monotonic()
        for stream in self._streams.values():
            extent = await _extent(line, stream.name)
            stream.tail = extent.last
            stream.is_current = False
            known = stream.position
            if known is None or not stream.has_joined or extent.lacks(known):
                await self._join(line, stream, since_s)
            if known is None or order(extent.last) < order(known):
                oldest = f"{max(0, int((now_s - self.retention_s) * 1000))}-0"
                stream.position, stream.is_renewed = min(oldest, extent.last, key=order), True
        self._look_around()

    async def _join(self, line: Line, stream: _Stream, since_s: float) -> None:
        """Hand over the snapshot; a first one is waited for, but not by who knows all that could be in it."""
        self.desk.tell("join", {"shard": stream.shard})
        name = snapshot_name(self.settings.prefix, stream.shard)
        if self.epoch.is_ours or stream.has_joined:
            manifest = await manifest_in(line, self.keys, name)
        else:
            lock = lock_name(self.settings.prefix, self.place.first)
            manifest = await first_manifest(line, self.keys, name, lock, since_s)
        if manifest is not None and await measure(line, self.health) - manifest.made_s < OLD_S:
            async for chunk, message in chunks_of(line, self.keys, name, manifest):
                await self._hand_over_chunk(stream.shard, chunk, message)
        stream.has_joined = True

    async def _hand_over_chunk(self, shard: int, chunk: str, message: bytes | None) -> None:
        header = None if message is None else header_of(message)
        if message is None or header is None:
            self.desk.refuse("forged" if message is None else "malformed")
        else:
            shift_s = shift(header.offset_s, self.health.told_offset_s)
            await self.desk.hand_over("chunk", shard, chunk, shift_s, message)

    async def _read(self, line: Line) -> None:
        """Wait for entries, and hand them over."""
        streams = list(self._streams.values())
        count = max(1, self._entries // len(streams))
        asked_s = time.time() + self.health.offset_s
        reply = await line.ask(
            *("XREAD", "COUNT", count, "BLOCK", int(BLOCK_S * 1000), "STREAMS"),
            *(stream.name for stream in streams),
            *(stream.position or START for stream in streams),
            timeout_s=READ_S,
        )
        quiet = set(self._streams)
        for name, entry, fields in read_entries(reply):
            quiet.discard(name)
            await self._deliver(self._streams[name], entry, fields)
        for name in quiet:
            self._streams[name].caught_up_s = asked_s
            self._streams[name].tail = START
        self._entries = min(self._entries + 1, _ENTRIES)
        self._look_around()

    async def _deliver(self, stream: _Stream, entry: str, fields: Mapping[bytes, bytes]) -> None:
        if order(entry) <= order(stream.position or START):
            raise StoreError("strange answer")
        finding, header = stream.inspector.inspect(fields, order(entry)[0])
        if header is not None:
            shift_s = shift(header.offset_s, self.health.told_offset_s)
            await self.desk.hand_over("heard", stream.shard, entry, shift_s, fields[MESSAGE])
            stream.told = entry
        elif finding is not Finding.OWN and not (finding is Finding.REPLAYED and stream.is_renewed):
            self.desk.refuse(finding.name.lower())
        stream.position = entry

    def _look_around(self) -> None:
        """Say which streams are current now."""
        for stream in self._streams.values():
            if not stream.is_current and order(stream.position or START) >= order(stream.tail):
                stream.is_current = True
                stream.is_renewed = False
                self.desk.tell("current", {"shard": stream.shard})
                if self.is_current:
                    self._became_current()


async def _extent(line: Line, stream: str) -> Extent:
    try:
        return read_extent(await line.ask("XINFO", "STREAM", stream))
    except RefusedError as error:
        if "no such key" in str(error):
            return Extent()
        raise
