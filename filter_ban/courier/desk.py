# SPDX-License-Identifier: ISC
"""The courier's end of its connection to the engine."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final

from filter_ban.cluster.wire import MAX_UNFOLDED, Frame, FrameReader, encode

REFUSED: Final = ("forged", "replayed", "malformed", "same_name")
_COUNTED_S: Final = 0.1  # so long counts are gathered
_UNREAD_BYTES: Final = 1 << 20  # with so much that the engine has not read, what is told often is left out
_READ_BYTES: Final = 1 << 18


class Desk:
    """Sends frames to the engine, knows what it has not folded, and counts what has been kept from it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._unfolded: Counter[int] = Counter()  # by shard
        self._room = asyncio.Event()
        self._room.set()
        self._refused = dict.fromkeys(REFUSED, 0)
        self._counting: asyncio.TimerHandle | None = None

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield what the engine says, until it is gone."""
        frames = FrameReader()
        while data := await self._reader.read(_READ_BYTES):
            for frame in frames.receive_data(data):
                yield frame

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    def tell(self, verb: str, facts: dict[str, Any], payload: bytes = b"") -> None:
        """Send a frame."""
        self._writer.write(encode(verb, facts, payload))

    def mention(self, verb: str, facts: dict[str, Any]) -> None:
        """Send a frame that will come again, unless the engine does not read."""
        if self._writer.transport.get_write_buffer_size() < _UNREAD_BYTES:
            self.tell(verb, facts)

    async def hand_over(self, verb: str, shard: int, entry: str, shift_s: int, message: bytes) -> None:
        """Send a message or chunk as soon as the engine has room for one."""
        while self._unfolded.total() >= MAX_UNFOLDED:
            self._room.clear()
            await self._room.wait()
        self._unfolded[shard] += 1
        self.tell(verb, {"shard": shard, "id": entry, "shift_s": shift_s}, message)

    def folded(self, shard: int) -> None:
        """Take note that the engine is done with a message or chunk."""
        if self._unfolded[shard]:
            self._unfolded[shard] -= 1
            self._room.set()

    def awaits(self, shard: int) -> bool:
        """Return whether the engine is not done with all that it has been handed over."""
        return self._unfolded[shard] > 0

    def refuse(self, why: str) -> None:
        """Count what is kept from the engine; *why* is one of REFUSED."""
        self._refused[why] += 1
        if self._counting is None:
            self._counting = asyncio.get_running_loop().call_later(_COUNTED_S, self._tell_refused)

    def _tell_refused(self) -> None:
        self._counting = None
        self.tell("refused", self._refused)
