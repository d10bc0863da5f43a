# SPDX-License-Identifier: ISC
"""Puts the messages of this node into the streams of a place; each stays here until it is there."""

import asyncio
from typing import Final

import attrs

from filter_ban.cluster.message import with_offset
from filter_ban.cluster.shards import stream_name
from filter_ban.courier.errand import Errand, Post
from filter_ban.courier.inspection import MESSAGE, TAG
from filter_ban.courier.line import Line, RefusedError, StoreError
from filter_ban.courier.store_clock import measure
from filter_ban.courier.stream import is_id

_IDLE_S: Final = 5.0  # so often it is looked whether the connection lives


@attrs.frozen
class _Parcel:
    first: int
    last: int
    message: bytes


class Publisher(Errand):
    """Publishes, one message of a shard at a time."""

    def __init__(self, post: Post) -> None:
        super().__init__(post)
        self._parcels: dict[int, _Parcel] = {}  # by shard
        self._wake = asyncio.Event()
        self.published: dict[int, int] = {}  # by shard, the number of the last notice

    def publish(self, shard: int, first: int, last: int, message: bytes) -> None:
        """Have a message published as soon as possible."""
        self._parcels[shard] = _Parcel(first, last, message)
        self._wake.set()

    async def work(self, line: Line) -> None:
        """Publish what there is, and what comes."""
        await measure(line, self.health)
        while True:
            self._wake.clear()
            if self._parcels:
                await self._send(line)
            else:
                _expect(await line.ask("PING") == b"PONG")
            self.well()
            await self._rest()

    async def _rest(self) -> None:
        """Wait for a message; not for long, to find a dead connection before there is one."""
        if self._parcels:
            return
        try:
            async with asyncio.timeout(_IDLE_S):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _send(self, line: Line) -> None:
        parcels = list(self._parcels.items())
        answers = await line.ask_all([self._command(shard, parcel.message) for shard, parcel in parcels])
        refused: RefusedError | None = None
        for (shard, parcel), answer in zip(parcels, answers, strict=True):
            if isinstance(answer, RefusedError):
                refused = answer
                continue
            _expect(is_id(answer.decode()))
            if self._parcels[shard] is parcel:
                del self._parcels[shard]
            self.published[shard] = parcel.last
            self.desk.tell("published", {"shard": shard, "first": parcel.first})
        if refused is not None:
            raise refused

    def _command(self, shard: int, message: bytes) -> tuple[bytes | str | int, ...]:
        stream = stream_name(self.settings.prefix, shard)
        message = with_offset(message, self.health.told_offset_s)
        return ("XADD", stream, "*", MESSAGE, message, TAG, self.keys.seal(stream, message))


def _expect(expected: bool) -> None:
    if not expected:
        raise StoreError("strange answer")
