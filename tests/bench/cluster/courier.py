# SPDX-License-Identifier: ISC
"""
What a node's courier does, in simulated time and without sockets.

It keeps positions in streams, has each message inspected, joins where a stream is new to it or has been trimmed too far,
publishes one message of a shard at a time until it is taken, and writes snapshots. The engine is told by the verbs of
:mod:`filter_ban.cluster.wire`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

import attrs

from filter_ban.cluster.keys import ClusterKeys
from filter_ban.cluster.message import Header, read_header, with_offset
from filter_ban.cluster.shards import snapshot_name, stream_name
from filter_ban.courier.clock import shift, steady
from filter_ban.courier.inspection import MESSAGE, TAG, Finding, Inspector, is_sealed
from filter_ban.courier.sequences import Sequences
from tests.bench.cluster.link import Link
from tests.bench.cluster.store import BEGINNING, Entry, Id, Snapshot, Store
from tests.bench.cluster.world import Act, World

PREFIX: Final = "filter-ban"
SNAPSHOT_S: Final = 300.0
NO_SNAPSHOT: Final = Snapshot(0, ())
LONGEST_PAUSE_S: Final = 0.5  # as the courier's
LOOK_S: Final = 0.1
PATIENCE_S: Final = 5.0  # for the snapshot of an epoch that is not ours


class EngineSide(Protocol):
    """What the courier tells; see :mod:`filter_ban.cluster.wire`."""

    def join(self, shard: int) -> None:
        """Expect the snapshot and all of the stream."""

    def heard(self, shard: int, header: Header, message: bytes, shift_s: int) -> None:
        """Fold a message, be it of the stream or of the snapshot."""

    def current(self, shard: int) -> None:
        """Know that all has been handed over that was there."""

    def published(self, shard: int, first: int) -> None:
        """Know that the message that begins with the notice *first* has been taken, and give the next."""

    def compose(self) -> Iterable[tuple[int, list[bytes]]]:
        """Return the messages of a snapshot, by shard."""


@attrs.define
class Shard:
    """What a courier knows of one shard; ``is_current`` is said once after each time of being connected."""

    number: int
    link: Link
    inspector: Inspector
    stream: str
    snapshot: str
    position: Id = BEGINNING
    epoch: str = ""
    target: Id = BEGINNING
    is_current: bool = False
    has_joined: bool = False


@attrs.frozen
class _Sight:
    """How a store is found; ``ends`` are the first and last ids of its streams."""

    epoch: str
    is_ours: bool
    ends: Mapping[str, tuple[Id, Id]]
    snapshots: Mapping[str, Snapshot]


class Courier:
    """
    Carries messages between one node and the stores.

    Args:
        world: Its time.
        node: Its name.
        started: Which start of it this is.
        ahead_s: What its clock is ahead of the world's.
        links: To the stores; shard s is on the store s % len(links).
        shards: How many there are.
        keys: What messages are sealed with.
        engine: Whom it works for.
        before: Of the same node; positions, epochs and the last numbers of peers are remembered.

    """

    def __init__(
        self,
        world: World,
        *,
        node: str,
        started: int,
        ahead_s: float,
        links: list[Link],
        shards: int,
        keys: ClusterKeys,
        engine: EngineSide,
        before: "Courier | None" = None,
    ) -> None:
        self.found: Counter[Finding] = Counter()
        self.is_stopped = False
        self._world = world
        self._node = node
        self._started = started
        self._ahead_s = ahead_s
        self._keys = keys
        self._engine = engine
        self._links = links
        self.shards = [self._shard(number, links[number % len(links)]) for number in range(shards)]
        for shard, earlier in zip(self.shards, before.shards if before else (), strict=False):
            shard.position, shard.epoch = earlier.position, earlier.epoch
            shard.inspector.sequences = earlier.inspector.sequences
        self._generation = 0
        for link in links:
            self._connect(link)
        world.every(SNAPSHOT_S, self._compose_in_turn)

    def _shard(self, number: int, link: Link) -> Shard:
        stream = stream_name(PREFIX, number)
        inspector = Inspector(stream, self._keys, self._node, self._started, Sequences())
        return Shard(number, link, inspector, stream, snapshot_name(PREFIX, number))

    def _offset_s(self, link: Link) -> int:
        """Return what is told of how far a store's clock is ahead of the node's."""
        return steady(link.store.now_s - self._world.now_s - self._ahead_s, 0)

    @property
    def is_current(self) -> bool:
        """Whether all has been handed over that was there when it was connected."""
        return all(shard.is_current for shard in self.shards)

    # --- publishing

    def publish(self, shard: int, first: int, message: bytes) -> None:
        """Put a message that begins with the notice *first* into the stream of its shard, however long that takes."""
        state = self.shards[shard]
        message = with_offset(message, self._offset_s(state.link))
        tag = self._keys.seal(state.stream, message)

        def published(_: None) -> None:
            if not self.is_stopped:
                self._engine.published(shard, first)

        def send() -> None:
            if not self.is_stopped:
                state.link.call(lambda store: store.add(state.stream, message, tag), published, failed)

        def failed() -> None:
            self._world.after(self._pause_s(), lambda: state.link.connect(send, failed))

        send()

    def _pause_s(self) -> float:
        """Return how long to wait before the next try."""
        return LONGEST_PAUSE_S * self._world.chance.uniform(0.8, 1.2)

    # --- reading

    def _connect(self, link: Link) -> None:
        """Connect, and read on from where we were, or join."""
        shards = [shard for shard in self.shards if shard.link is link]
        patient_until_s = self._world.now_s + PATIENCE_S

        def again() -> None:
            for shard in shards:
                shard.is_current = False
            if not self.is_stopped:
                self._world.after(self._pause_s(), lambda: self._connect(link))

        def look(store: Store) -> _Sight:
            is_ours = store.begin_epoch(f"{self._node} {self._world.now_s}")
            ends = store.ends(shard.stream for shard in shards)
            return _Sight(store.epoch, is_ours, ends, dict(store.snapshots))

        def begin(sight: _Sight) -> None:
            is_early = any(
                shard.epoch != sight.epoch and shard.snapshot not in sight.snapshots for shard in shards
            )
            if is_early and not sight.is_ours and self._world.now_s < patient_until_s:
                self._world.after(LOOK_S, lambda: link.call(look, begin, again))
                return
            for shard in shards:
                self._begin(shard, sight)
            if sight.is_ours:
                self._compose()
            self._read(link, shards, again)

        link.connect(lambda: link.call(look, begin, again), again)

    def _begin(self, shard: Shard, sight: _Sight) -> None:
        first, shard.target = sight.ends[shard.stream]
        is_new = shard.epoch != sight.epoch
        if is_new:
            shard.epoch = sight.epoch
            shard.position = BEGINNING
        if is_new or not shard.has_joined or shard.position < first:
            shard.has_joined = True
            self._engine.join(shard.number)
            snapshot = sight.snapshots.get(shard.snapshot, NO_SNAPSHOT)
            for index, chunk in enumerate(snapshot.chunks):
                if is_sealed(self._keys, place(shard, snapshot.generation, index), chunk.message, chunk.tag):
                    self._hand_over(shard, read_header(chunk.message), chunk.message)
        self._look_whether_current(shard)

    def _read(self, link: Link, shards: list[Shard], again: Act) -> None:
        def answered(found: Mapping[str, list[Entry]]) -> None:
            if self.is_stopped:
                return
            for shard in shards:
                for entry in found.get(shard.stream, ()):
                    self._take(shard, entry)
                self._look_whether_current(shard)
            self._read(link, shards, again)

        link.read({shard.stream: shard.position for shard in shards}, answered, again)

    def _take(self, shard: Shard, entry: Entry) -> None:
        """Hand over a message of the stream, if it is genuine and new."""
        shard.position = entry.id
        finding, header = shard.inspector.inspect({MESSAGE: entry.message, TAG: entry.tag})
        self.found[finding] += 1
        if header is not None:
            self._hand_over(shard, header, entry.message)

    def _hand_over(self, shard: Shard, header: Header, message: bytes) -> None:
        shift_s = shift(header.offset_s, self._offset_s(shard.link))
        self._engine.heard(shard.number, header, message, shift_s)

    def _look_whether_current(self, shard: Shard) -> None:
        if not shard.is_current and shard.position >= shard.target:
            shard.is_current = True
            self._engine.current(shard.number)

    # --- snapshots

    def _compose_in_turn(self) -> None:
        """Write a snapshot, if nobody else does."""
        if not self.is_stopped:
            self._links[0].call(
                lambda store: store.lock(SNAPSHOT_S), lambda ours: self._compose() if ours else None, _ignore
            )

    def _compose(self) -> None:
        """Write all that this node knows of bans and offences."""
        self._generation += 1
        for number, messages in self._engine.compose():
            self._put(self.shards[number], messages)

    def _put(self, shard: Shard, messages: list[bytes]) -> None:
        messages = [with_offset(message, self._offset_s(shard.link)) for message in messages]
        places = [place(shard, self._generation, index) for index in range(len(messages))]
        tags = map(self._keys.seal, places, messages)
        chunks = tuple(Entry(BEGINNING, message, tag) for message, tag in zip(messages, tags, strict=True))
        snapshot = {shard.snapshot: Snapshot(self._generation, chunks)}
        shard.link.call(lambda store: store.snapshots.update(snapshot), _ignore, _ignore)


def place(shard: Shard, generation: int, index: int) -> str:
    """Return what a chunk of a snapshot is sealed for."""
    return f"{shard.snapshot}/{generation}/{index}"


def _ignore(*_: object) -> None:
    """Do nothing: a snapshot that was not written is written next time."""
