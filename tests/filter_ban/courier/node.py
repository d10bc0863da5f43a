# SPDX-License-Identifier: ISC
"""A courier's process, and the test in the engine's place."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from filter_ban.cluster.message import Header, pack
from filter_ban.cluster.wire import Frame, FrameReader, encode
from filter_ban.courier.process import CourierProcess
from filter_ban.courier.settings import Settings
from tests.filter_ban.daemon.process import WAIT_S

PREFIX = "fb"
KEY = "a secret that all nodes share"
RETENTION_S = 3600


def settings(*stores: str, **changes: Any) -> Settings:
    """Return what a courier of one shard is told."""
    told: dict[str, Any] = {
        "prefix": PREFIX,
        "node": "mx1",
        "started": 1000,
        "role": "full",
        "shards": 1,
        "key": KEY,
        "retention_s": RETENTION_S,
        "max_mb": 64,
        "snapshot_s": 300,
        **changes,
    }
    return Settings(stores=stores, **told)


def message(node: str, first: int = 1, count: int = 1, started: int = 1000, **more: Any) -> bytes:
    """Return a message of a node."""
    header = Header(node=node, started=started, first=first, count=count, **more)
    return pack(header, [["lift", "192.0.2.1", 1.0, "x"]] * count)


class Node:
    """
    A courier that has been told *told*, and its frames.

    Args:
        told: At its start.
        folds: Whether what it hands over is folded at once, and it gets an empty snapshot when it asks for one.

    """

    def __init__(self, told: Settings, *, folds: bool = True) -> None:
        self.settings = told
        self.folds = folds
        self.process = CourierProcess()
        self.connection = self.process.connection
        self.frames: list[Frame] = []
        self._reader = FrameReader()
        self.say("start", told.to_facts())

    def say(self, verb: str, facts: dict[str, Any] | None = None, payload: bytes = b"") -> None:
        """Send a frame."""
        self.connection.sendall(encode(verb, facts, payload))

    def publish(self, first: int = 1, count: int = 1, shard: int = 0, payload: bytes | None = None) -> bytes:
        """Have a message of this node published; return it."""
        told = self.settings
        sent = payload or message(told.node, first, count, told.started)
        self.say("publish", {"shard": shard, "first": first, "last": first + count - 1}, sent)
        return sent

    def compose(self, *messages: bytes, shard: int = 0) -> None:
        """Hand over a snapshot."""
        for index, chunk in enumerate(messages):
            self.say("chunk", {"shard": shard, "index": index, "last": index == len(messages) - 1}, chunk)
            self.until("stored", shard=shard, index=index)

    def until(self, verb: str, timeout_s: float = WAIT_S, **facts: Any) -> Frame:
        """Return the first frame of that verb with these facts, and forget it."""
        return self.until_one(
            lambda frame: frame[0] == verb and facts.items() <= frame[1].items(), f"{verb} {facts}", timeout_s
        )

    def until_one(self, wanted: Callable[[Frame], object], what: str, timeout_s: float = WAIT_S) -> Frame:
        """Return the first wanted frame, and forget it."""
        end_s = time.monotonic() + timeout_s
        seen = 0
        while True:
            for index in range(seen, len(self.frames)):
                if wanted(self.frames[index]):
                    return self.frames.pop(index)
            seen = len(self.frames)
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                raise AssertionError(f"not within {timeout_s:g} s: {what}; came: {self.frames}")
            self.connection.settimeout(left_s)
            with contextlib.suppress(TimeoutError):
                self._receive()

    def until_current(self) -> None:
        """Wait until all that was there has been handed over."""
        for shard in range(self.settings.shards):
            self.until("current", shard=shard)

    def until_settled(self) -> None:
        """Wait until it is current, and has composed the first snapshot of a new store."""
        self.until_current()
        self.until("stored", shard=self.settings.shards - 1)

    def heard(self, count: int) -> list[bytes]:
        """Return the next *count* messages that it hands over."""
        return [self.until("heard")[2] for _ in range(count)]

    def verbs(self) -> list[str]:
        """Return what has come so far and is not forgotten."""
        self.connection.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._receive()
        return [verb for verb, _, _ in self.frames]

    def _receive(self) -> None:
        data = self.connection.recv(1 << 16)
        if not data:
            raise ConnectionError("the courier has ended")
        for frame in self._reader.receive_data(data):
            self.frames.append(frame)
            if self.folds and frame[0] in {"heard", "chunk"}:
                self.say("folded", {"shard": frame[1]["shard"], "id": frame[1]["id"]})
            if self.folds and frame[0] == "compose":
                for shard in range(self.settings.shards):
                    self.say(
                        "chunk",
                        {"shard": shard, "index": 0, "last": True},
                        message(self.settings.node, count=0),
                    )

    def end(self) -> None:
        """Have it gone."""
        self.connection.close()
        self.process.end()


class Nodes:
    """Couriers that end with the test."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []

    def start(self, *stores: str, folds: bool = True, **changes: Any) -> Node:
        """Start one."""
        return self.start_with(settings(*stores, **changes), folds=folds)

    def start_with(self, told: Settings, *, folds: bool = True, **changes: Any) -> Node:
        """Start one that is told *told* but for *changes*."""
        node = Node(attrs.evolve(told, **changes), folds=folds)
        self._nodes.append(node)
        return node

    def pair(self, *stores: str, **changes: Any) -> tuple[Node, Node]:
        """Start two that are current, the first one with a new store."""
        first = self.start(*stores, node="mx1", **changes)
        first.until_settled()
        second = self.start(*stores, node="mx2", **changes)
        second.until_current()
        return first, second

    def end(self) -> None:
        """End all."""
        for node in self._nodes:
            node.end()


@contextlib.contextmanager
def nodes() -> Iterator[Nodes]:
    """Provide couriers."""
    started = Nodes()
    try:
        yield started
    finally:
        started.end()
