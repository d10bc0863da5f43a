# SPDX-License-Identifier: ISC
"""Stores in trouble: each is told of, nothing ends the courier, and all goes on when they do."""

from pathlib import Path

import pytest

from tests.filter_ban.courier.node import Node, Nodes
from tests.filter_ban.courier.redis_server import RedisServer, serving
from tests.filter_ban.courier.trouble import chattering, passing
from tests.filter_ban.daemon.process import wait_for

HEALED_S = 3.0
GENEROUS_S = 3 * HEALED_S  # on a machine that others use too
MOST_KB = 400_000
VISITORS = 3  # who publishes, who reads and who looks after the rest


def until_trouble(node: Node, part: str = "") -> None:
    """Wait until a courier tells of a problem."""
    node.until_one(
        lambda frame: frame[0] == "store" and not frame[1]["ok"] and part in frame[1]["problem"],
        f"trouble {part}",
    )


def until_epoch(node: Node, before: str = "") -> str:
    """Wait until a courier tells what the content of its store is called, and no more as *before*."""
    frame = node.until_one(lambda frame: frame[1].get("epoch", before) not in {"", before}, "an epoch")
    return str(frame[1]["epoch"])


def test_restarted_empty(store: RedisServer, couriers: Nodes) -> None:
    """A store that lost everything has a new epoch: all join, a snapshot is asked for, and what waits is published."""
    first, second = couriers.pair(store.url)
    before = until_epoch(first)
    store.kill()
    until_trouble(first)
    until_trouble(second)
    for node in (first, second):
        node.frames.clear()
    sent = first.publish()
    store.start()
    first.until("published")
    first.until("join")
    second.until("join")
    first.until("store", ok=True, problem="")
    first.until("current")
    assert second.until("heard")[2] == sent
    until_epoch(second, before)

    def asked() -> list[str]:
        return [verb for node in (first, second) for verb in node.verbs() if verb in {"compose", "stored"}]

    wait_for(lambda: "stored" in asked(), "a snapshot")
    assert asked() == ["compose", "stored"]


def test_emptied(store: RedisServer, couriers: Nodes) -> None:
    """A store that is emptied while it runs is noticed too."""
    first, second = couriers.pair(store.url)
    before = until_epoch(first)
    for node in (first, second):
        node.frames.clear()
    store.ask("FLUSHALL")
    for node in (first, second):
        node.until("join")
        until_epoch(node, before)


def test_full(store: RedisServer, couriers: Nodes) -> None:
    """A store that is full is told of; what it refuses waits, and reading goes on."""
    first, second = couriers.pair(store.url)
    store.ask("CONFIG", "SET", "maxmemory", "1")
    sent = first.publish()
    until_trouble(first, "maxmemory")
    first.frames.clear()
    store.ask("CONFIG", "SET", "maxmemory", "0")
    assert second.until("heard")[2] == sent
    first.until("store", ok=True, problem="")


def test_full_at_the_start(store: RedisServer, couriers: Nodes) -> None:
    """One that comes when the store is full reads all the same."""
    couriers.pair(store.url)
    store.ask("CONFIG", "SET", "maxmemory", "1")
    couriers.start(store.url, node="mx3").until("current")


def test_read_only(store: RedisServer, couriers: Nodes) -> None:
    """A store that has become a replica takes nothing until it is a master again."""
    first, second = couriers.pair(store.url)
    store.ask("REPLICAOF", "127.0.0.1", "1")
    sent = first.publish()
    until_trouble(first, "read only")
    store.ask("REPLICAOF", "NO", "ONE")
    assert second.until("heard")[2] == sent


def test_hanging(store: RedisServer, couriers: Nodes) -> None:
    """A store that hangs is left within seconds, and all is caught up when it goes on."""
    first, second = couriers.pair(store.url)
    store.freeze()
    try:
        sent = first.publish()
        until_trouble(first, "no answer in time")
        until_trouble(second, "no answer in time")
    finally:
        store.thaw()
    assert second.until("heard", GENEROUS_S)[2] == sent
    first.until("published", GENEROUS_S)


def test_dropped(store: RedisServer, couriers: Nodes) -> None:
    """A network that swallows everything is noticed by its silence; what others said meanwhile comes when it heals."""
    other = couriers.start(store.url, node="mx2")
    other.until_settled()
    with passing(store.port) as proxy:
        node = couriers.start(f"redis://127.0.0.1:{proxy.door.port}")
        node.until_current()
        proxy.drop()
        heard, said = other.publish(), node.publish()
        until_trouble(node)
        proxy.heal()
        assert node.until("heard", GENEROUS_S)[2] == heard
        assert other.until("heard", GENEROUS_S)[2] == said


def test_slow(store: RedisServer, couriers: Nodes) -> None:
    """With 200 ms each way all goes well, only later."""
    other = couriers.start(store.url, node="mx2")
    other.until_settled()
    with passing(store.port, 0.2) as proxy:
        node = couriers.start(f"redis://127.0.0.1:{proxy.door.port}")
        node.until_current()
        heard, said = other.publish(), node.publish()
        assert node.until("heard")[2] == heard
        assert other.until("heard")[2] == said
        assert all(frame[1]["ok"] for frame in node.frames if frame[0] == "store")


@pytest.mark.parametrize(
    ("data", "endless"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
        (b"-LOADING Redis is loading the dataset in memory\r\n", False),
        (b"-NOAUTH Authentication required.\r\n", False),
        (b"+OK\r\n", False),
        (b"*-1\r\n", False),
        (b":1\r\n:2\r\n:3\r\n", False),
        (b"*1\r\n" * 100_000, False),
        (b"*2\r\n$1\r\n1\r\n$-7\r\n", False),
        (b"\xff\x00\r\n", True),
        (b"", True),
        (b"$4000000000\r\n", True),
        (b"*2000000000\r\n", True),
        (b"$30000000\r\n", True),
    ],
)
def test_garbage(folder: Path, couriers: Nodes, data: bytes, *, endless: bool) -> None:
    """Whatever comes from the port, it costs no more than bounded memory; a store that comes there is used."""
    with chattering(data, endless=endless) as door:
        node = couriers.start(f"redis://127.0.0.1:{door.port}")
        node.publish()
        until_trouble(node)
        wait_for(lambda: door.visits > 2 * VISITORS, "it has tried again")
        status = Path(f"/proc/{node.process.pid}/status")
        if status.exists():
            assert int(status.read_text().split("VmHWM:")[1].split()[0]) < MOST_KB
        assert {"published", "current"}.isdisjoint(node.verbs())
    with serving(folder / "late", port=str(door.port)):
        node.until("published", GENEROUS_S)
        node.until("current", GENEROUS_S)


def test_nobody_there(folder: Path, couriers: Nodes) -> None:
    """A store that comes later is found, and what has waited is published; the problem is said in a few words."""
    with serving(folder / "store") as store:
        store.kill()
        node = couriers.start(store.url)
        sent = node.publish()
        assert node.until("store", ok=False)[1]["problem"] == "No such file or directory"
        store.start()
        node.until("published", GENEROUS_S)
        node.until_settled()
        other = couriers.start(store.url, node="mx2")
        assert other.until("heard")[2] == sent
