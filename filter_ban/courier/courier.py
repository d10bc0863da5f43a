# SPDX-License-Identifier: ISC
"""All that a courier does, by place: somebody publishes, somebody reads, and somebody looks after it."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from filter_ban.cluster.keys import ClusterKeys
from filter_ban.cluster.wire import Frame
from filter_ban.courier.desk import Desk
from filter_ban.courier.epoch import Epoch
from filter_ban.courier.errand import Errand, Post
from filter_ban.courier.health import Health
from filter_ban.courier.keeper import Keeper
from filter_ban.courier.publisher import Publisher
from filter_ban.courier.reader import Reader
from filter_ban.courier.settings import Settings
from filter_ban.courier.snapshots import Chunk
from filter_ban.courier.stores import Place, places

_PASSED_S: Final = 1.0
_HEALTH_S: Final = 5.0


class Courier:
    """
    Goes between an engine and its stores.

    Args:
        settings: What the engine has told.
        desk: The way to the engine.

    """

    def __init__(self, settings: Settings, desk: Desk) -> None:
        self._settings = settings
        self._desk = desk
        self._keys = ClusterKeys(settings.key.encode())
        self._healths = [
            Health(desk, index, settings.epochs.get(index, ""), settings.told_offsets_s.get(index, 0))
            for index in range(len(settings.stores))
        ]
        self._publishers: dict[int, Publisher] = {}  # by shard
        self._keepers: dict[int, Keeper] = {}  # by shard
        self._readers: list[Reader] = []
        self._errands: list[Errand] = []
        for place in places(settings):
            self._look_after(place)

    def _look_after(self, place: Place) -> None:
        settings, health = self._settings, self._healths[place.store]
        post = Post(
            place=place,
            health=health,
            epoch=Epoch(settings.prefix, place.first, health if place.first == place.store else None),
            desk=self._desk,
            keys=self._keys,
            settings=settings,
        )
        keeper = Keeper(
            post,
            is_current=self._is_current,
            published=self._published,
            missing=self._missing,
        )
        self._errands.append(keeper)
        self._keepers.update(dict.fromkeys(place.shards, keeper))
        if settings.publishes:
            publisher = Publisher(post)
            self._errands.append(publisher)
            self._publishers.update(dict.fromkeys(place.shards, publisher))
        if settings.listens:
            reader = Reader(post, self._look)
            self._errands.append(reader)
            self._readers.append(reader)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for errand in self._errands:
                tasks.create_task(errand.run())
            tasks.create_task(self._mention())

    def heed(self, frame: Frame) -> None:
        """Do what the engine says."""
        verb, facts, message = frame
        match verb:
            case "publish":
                if self._settings.publishes:
                    publisher = self._publishers[facts["shard"]]
                    publisher.publish(facts["shard"], facts["first"], facts["last"], message)
            case "folded":
                self._desk.folded(facts["shard"])
            case "chunk":
                shard = facts["shard"]
                self._keepers[shard].store(Chunk(shard, facts["index"], facts["last"], message))
            case "tell":
                self._tell(facts)
            case "retain":
                for errand in self._errands:
                    errand.retention_s = facts["seconds"]

    def _tell(self, facts: dict[str, Any]) -> None:
        self._keepers[0].tell(facts)

    async def _mention(self) -> None:
        """Tell the engine now and then what it has no frame for otherwise."""
        rounds = 0
        while True:
            await asyncio.sleep(_PASSED_S)
            rounds += 1
            for reader in self._readers:
                reader.mention_passed()
            if rounds % round(_HEALTH_S / _PASSED_S) == 0:
                for health in self._healths:
                    health.tell()

    def _is_current(self) -> bool:
        return all(reader.is_current for reader in self._readers)

    def _look(self) -> None:
        """Have it looked whether a snapshot is due, now that this node may know enough for one."""
        if self._is_current():
            for keeper in set(self._keepers.values()):
                keeper.look()

    def _published(self) -> dict[int, int]:
        published: dict[int, int] = {}
        for publisher in self._publishers.values():
            published.update(publisher.published)
        return published

    def _missing(self, node: str, started: int, published: Mapping[int, int], told_s: float) -> int:
        return sum(reader.missing(node, started, published, told_s) for reader in self._readers)
