# SPDX-License-Identifier: ISC
"""A simulated store: streams with ids from its clock, snapshots, a lock, an epoch."""

import bisect
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import attrs

from tests.bench.cluster.world import World

Id = tuple[int, int]  # milliseconds by the store's clock, and a number within
BEGINNING: Final = (0, 0)


class StoreFull(Exception):  # noqa: N818 - a state of the store, and the link's to handle
    """There is no memory left for what was to be written."""


@attrs.frozen
class Entry:
    """What stands in a stream or snapshot: a message, and the tag that proves whose it is."""

    id: Id
    message: bytes
    tag: bytes


@attrs.frozen
class Snapshot:
    """All chunks of one shard, as one node has written them."""

    generation: int
    chunks: tuple[Entry, ...]


class Store:
    """
    One server; it never fails but by being full, and what lies between it and a node is the link's business.

    Args:
        world: Its time.
        ahead_s: What its clock is ahead of the world's.

    """

    def __init__(self, world: World, ahead_s: float = 0.0) -> None:
        self._world = world
        self._ahead_s = ahead_s
        self._waiting: list[tuple[Mapping[str, Id], Callable[[], None]]] = []
        self.is_full = False
        self.restarts = -1
        self.bytes_added = 0
        self.restart_empty()

    def restart_empty(self) -> None:
        """Forget everything."""
        self.restarts += 1
        self._streams: dict[str, list[Entry]] = {}
        self._last_ids: dict[str, Id] = {}
        self._lock_until_s = 0.0
        self.snapshots: dict[str, Snapshot] = {}
        self.epoch = ""

    @property
    def now_s(self) -> float:
        """The time by the store's clock."""
        return self._world.now_s + self._ahead_s

    def begin_epoch(self, name: str) -> bool:
        """Call the time since the store was empty by *name*, unless it has a name; return whether it had none."""
        is_new = not self.epoch
        self.epoch = self.epoch or name
        return is_new

    def lock(self, duration_s: float) -> bool:
        """Take the lock, unless somebody has it; return whether it was taken."""
        is_free = self._lock_until_s <= self.now_s
        if is_free:
            self._lock_until_s = self.now_s + duration_s
        return is_free

    def add(self, stream: str, message: bytes, tag: bytes) -> None:
        """
        Append a message, and wake those who wait for it.

        Raises:
            StoreFull: it was not appended.

        """
        if self.is_full:
            raise StoreFull
        last = self._last_ids.get(stream, BEGINNING)
        milliseconds = int(self.now_s * 1000)
        new = (milliseconds, 0) if milliseconds > last[0] else (last[0], last[1] + 1)
        self._last_ids[stream] = new
        self._streams.setdefault(stream, []).append(Entry(new, message, tag))
        self.bytes_added += len(message) + len(tag)
        woken = [wake for positions, wake in self._waiting if stream in positions]
        self._waiting = [waiting for waiting in self._waiting if stream not in waiting[0]]
        for wake in woken:
            wake()

    def read(self, positions: Mapping[str, Id], most: int) -> dict[str, list[Entry]]:
        """Return what stands in some streams after the ids that *positions* name, no more than *most* of each."""
        found = {}
        for stream, after in positions.items():
            entries = self._streams.get(stream, [])
            at = bisect.bisect_right(entries, after, key=lambda entry: entry.id)
            if at < len(entries):
                found[stream] = entries[at : at + most]
        return found

    def wait(self, positions: Mapping[str, Id], wake: Callable[[], None]) -> None:
        """Call *wake* once, as soon as something is added to one of the streams."""
        self._waiting.append((positions, wake))

    def ends(self, streams: Iterable[str]) -> dict[str, tuple[Id, Id]]:
        """Return the first and the last id in each of some streams."""
        ends = {}
        for stream in streams:
            entries = self._streams.get(stream)
            last = self._last_ids.get(stream, BEGINNING)
            ends[stream] = (entries[0].id if entries else last, last)
        return ends

    def trim(self, stream: str, age_s: float) -> None:
        """Drop what is older than *age_s*."""
        entries = self._streams.get(stream, [])
        oldest = (int((self.now_s - age_s) * 1000), 0)
        del entries[: bisect.bisect_left(entries, oldest, key=lambda entry: entry.id)]
