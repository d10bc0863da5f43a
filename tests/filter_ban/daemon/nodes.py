# SPDX-License-Identifier: ISC
"""Nodes of a cluster without processes around them, and a test in the courier's place."""

import asyncio
import contextlib
import itertools
import json
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from filter_ban.client import parse_network
from filter_ban.cluster.message import Header, pack
from filter_ban.cluster.notice import Encoder, Notice
from filter_ban.cluster.wire import Frame, FrameReader, encode
from filter_ban.config import parse_config
from filter_ban.daemon.cluster import ClusterLink
from filter_ban.daemon.commands import Commands
from filter_ban.daemon.service import Service
from filter_ban.ledger import open_reader
from filter_ban.model import Kind
from tests.filter_ban.daemon.process import WAIT_S

SECRETS: Final = {"key": "a secret that all nodes share", "password": "", "ca": ""}
NO_STORE: Final = "unix:///nonexistent/store.sock"
LEDGER: Final = "ledger.sqlite3"


class Node:
    """
    A service that is a node of a cluster.

    Args:
        folder: For its ledger.
        name: Its own.
        store: URL of the store.
        shards: How many there are.
        settings: Further lines of ``[cluster]``.

    """

    def __init__(
        self, folder: Path, name: str = "mx1", store: str = NO_STORE, *, shards: int = 2, settings: str = ""
    ) -> None:
        self.path = folder / name
        self.path.mkdir(exist_ok=True)
        self.said: list[tuple[str, Any]] = []
        self.service = Service(
            config=parse_config(
                f'[never]\nown_addresses = false\n[cluster]\nstores = ["{store}"]\nnode = "{name}"\n'
                f'key_file = "/nonexistent"\nshards = {shards}\n{settings}'
            ),
            config_file="",
            ledger_path=self.path / LEDGER,
            listeners=[],
            surroundings=[],
            send=lambda line: self.said.append(tuple(json.loads(line))),
            cluster_secrets=SECRETS,
        )
        self.commands = Commands(self.service)
        self._run: asyncio.Task[None] | None = None

    @property
    def link(self) -> ClusterLink:
        """Its end of the cluster."""
        assert self.service.cluster is not None
        return self.service.cluster

    @property
    def cluster(self) -> dict[str, Any]:
        """What ``status`` tells of its cluster."""
        return self.link.document()

    @property
    def banned(self) -> set[str]:
        """Whom it bans."""
        return {ban.reference for ban in self.service.engine.bans.values()}

    def bans(self, client: str) -> bool:
        """Return whether it bans *client*."""
        return parse_network(client) in self.service.engine.bans

    def lets_in(self, client: str) -> bool:
        """Return whether it lets *client* in."""
        return parse_network(client) in self.service.allowed

    def strikes(self, client: str, now_s: float) -> float:
        """Return how many strikes it knows."""
        return self.service.engine.strikes(parse_network(client), now_s)

    def guess(self, client: str, now_s: float, *secrets: int, user: int = 7) -> None:
        """See wrong passwords."""
        engine = self.service.engine
        for secret in secrets:
            engine.strike(Kind.AUTH_FAIL, parse_network(client), now_s, "", user, secret, "smtps")
        self.service.settle()

    async def ask(self, command: str, **request: Any) -> list[dict[str, Any]]:
        """Return the answer to a command, in its parts."""
        return [part async for part in self.commands.handlers[command](request)]

    async def begin(self) -> None:
        """Take over what the ledger remembers, and join."""
        await self.service.recall_bans()
        await self.service.recall_past()
        self.join()

    def join(self) -> None:
        """Join the cluster."""
        self._run = asyncio.create_task(self.link.run())

    async def end(self) -> None:
        """Leave, as a daemon that is stopped does."""
        if self._run is not None:
            self.link.remember()
            self._run.cancel()
            _, hung = await asyncio.wait([self._run], timeout=WAIT_S)
            assert not hung, "the link does not end"
            self._run = None
        await asyncio.to_thread(self.service.writer.stop, 10.0)

    def memory(self) -> dict[str, str]:
        """Return what its ledger remembers for the cluster."""
        with open_reader(self.path / LEDGER) as reader:
            return reader.memory()


@contextlib.asynccontextmanager
async def joined(*nodes: Node) -> AsyncIterator[None]:
    """Have *nodes* in their cluster."""
    try:
        for node in nodes:
            await node.begin()
        yield
    finally:
        for node in nodes:
            await node.end()


def message(node: str, first: int, *notices: Notice, started: int = 1000) -> bytes:
    """Return a message of a node."""
    header = Header(node=node, started=started, first=first, count=len(notices))
    encoder = Encoder(12)
    return pack(header, [encoder.encode(notice) for notice in notices])


class FakeCourier:
    """
    The test in the courier's place; has what a CourierProcess has.

    Args:
        first: Bytes that it sends at once.

    """

    _pids = itertools.count(1 << 30)

    def __init__(self, first: bytes = b"") -> None:
        self.connection, self._ours = socket.socketpair()
        self._ours.setblocking(False)
        self._ours.send(first)
        self._reader = FrameReader()
        self.pid = next(self._pids)
        self.frames: list[Frame] = []
        self.is_ended = False

    def end(self) -> None:
        """End it."""
        self.is_ended = True
        self._ours.close()

    def close(self) -> None:
        """Close its end of the connection."""
        self._ours.shutdown(socket.SHUT_RDWR)

    def say(self, verb: str, payload: bytes = b"", **facts: Any) -> None:
        """Send a frame."""
        self._ours.send(encode(verb, facts, payload))

    def told(self, verb: str) -> list[Frame]:
        """Return the frames that have come with *verb*."""
        with contextlib.suppress(BlockingIOError, OSError):
            while data := self._ours.recv(1 << 16):
                self.frames += self._reader.receive_data(data)
        return [frame for frame in self.frames if frame[0] == verb]


class FakeCouriers:
    """Stands in place of CourierProcess; what each courier sends at once can be given."""

    def __init__(self, *first: bytes) -> None:
        self.made: list[FakeCourier] = []
        self._first = iter(first)

    def __call__(self) -> FakeCourier:
        """Return a new one."""
        courier = FakeCourier(next(self._first, b""))
        self.made.append(courier)
        return courier

    @property
    def last(self) -> FakeCourier:
        """The one that is there."""
        return self.made[-1]


def is_alive(pid: int) -> bool:
    """Return whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
