# SPDX-License-Identifier: ISC
"""Snapshots in a real store."""

import time

from filter_ban.cluster.shards import snapshot_name, stream_name
from filter_ban.courier.snapshots import lock_name
from tests.filter_ban.courier.node import PREFIX, Node, Nodes, message
from tests.filter_ban.courier.redis_server import RedisServer
from tests.filter_ban.daemon.process import wait_for

NAME = snapshot_name(PREFIX, 0)
LOCK = lock_name(PREFIX, 0)


def chunk(number: int) -> bytes:
    """Return a chunk that differs from others."""
    return message("mx1", number, 2)


def test_chunks(store: RedisServer, couriers: Nodes) -> None:
    """A node that comes is handed over all chunks of a snapshot, however many, and then the stream."""
    first = couriers.start(store.url)
    first.until_settled()
    chunks = [chunk(number) for number in range(1, 21)]
    first.compose(*chunks)
    sent = first.publish()
    first.until("published")

    second = couriers.start(store.url, node="mx2")
    second.until("current")
    told = [verb for verb in second.verbs() if verb in {"join", "chunk", "heard"}]
    assert told == ["join", *["chunk"] * 20, "heard"]
    assert joined_payloads(second, "chunk") == chunks
    assert joined_payloads(second, "heard") == [sent]
    assert len({facts["id"] for verb, facts, _ in second.frames if verb == "chunk"}) == 20


def joined_payloads(node: Node, wanted: str) -> list[bytes]:
    """Return the payloads of the frames of a verb."""
    return [payload for verb, _, payload in node.frames if verb == wanted]


def test_shift(store: RedisServer, couriers: Nodes) -> None:
    """Messages of a node whose clock is wrong come with what makes up for it, which its courier knows."""
    first = couriers.start(store.url)
    first.until_settled()
    first.compose(message("mx1", 1, 2, offset_s=90.2))
    second = couriers.start(store.url, node="mx2")
    assert second.until("chunk")[1]["shift_s"] == 0
    store.put(stream_name(PREFIX, 0), message("mx3", 1, offset_s=-30.0))
    assert second.until("heard")[1]["shift_s"] == -30


def test_the_next_one(store: RedisServer, couriers: Nodes) -> None:
    """A snapshot takes the place of the one before, of which nothing is left."""
    first = couriers.start(store.url)
    first.until_settled()
    first.compose(*(chunk(number) for number in range(1, 10)))
    first.compose(chunk(10), chunk(11))
    assert store.ask("HLEN", NAME) == 3
    second = couriers.start(store.url, node="mx2")
    second.until("current")
    assert joined_payloads(second, "chunk") == [chunk(10), chunk(11)]


def test_an_unfinished_one(store: RedisServer, couriers: Nodes) -> None:
    """A snapshot counts when it is complete, and not before."""
    first = couriers.start(store.url)
    first.until_settled()
    first.compose(chunk(1))
    first.say("chunk", {"shard": 0, "index": 0, "last": False}, chunk(2))
    first.until("stored")
    second = couriers.start(store.url, node="mx2")
    second.until("current")
    assert joined_payloads(second, "chunk") == [chunk(1)]


def test_one_that_is_not_stored(store: RedisServer, couriers: Nodes) -> None:
    """A snapshot of which a chunk was refused is left out, and the engine need not wait."""
    first = couriers.start(store.url)
    first.until_settled()
    first.compose(chunk(1))
    first.say("chunk", {"shard": 0, "index": 0, "last": False}, chunk(2))
    first.until("stored")
    store.ask("CONFIG", "SET", "maxmemory", "1")
    first.say("chunk", {"shard": 0, "index": 1, "last": False}, chunk(3))
    first.until("stored")
    store.ask("CONFIG", "SET", "maxmemory", "0")
    first.say("chunk", {"shard": 0, "index": 2, "last": True}, chunk(4))
    first.until("stored")
    second = couriers.start(store.url, node="mx2")
    second.until("current")
    assert joined_payloads(second, "chunk") == [chunk(1)]


def test_without_a_store(store: RedisServer, couriers: Nodes) -> None:
    """While the store cannot be reached, chunks are answered for all that."""
    first = couriers.start(store.url)
    first.until_settled()
    store.kill()
    first.until("store", ok=False)
    first.compose(chunk(1), chunk(2))


def test_forged(store: RedisServer, couriers: Nodes) -> None:
    """Chunks that nobody has sealed for their place are counted and left out; so is a manifest."""
    first = couriers.start(store.url)
    first.until_settled()
    first.compose(chunk(1), chunk(2), chunk(3))
    fields: dict[bytes, bytes] = {}
    with store.client() as client:
        fields = client.hgetall(NAME)
        one, two, _ = sorted(field for field in fields if field != b"manifest")
        client.hset(NAME, one.decode(), fields[two])
    second = couriers.start(store.url, node="mx2")
    second.until("refused", forged=1)
    second.until("current")
    assert joined_payloads(second, "chunk") == [chunk(2), chunk(3)]

    store.ask("DEL", LOCK)
    store.ask("HSET", NAME, "manifest", fields[b"manifest"][:-1] + b" ")
    third = couriers.start(store.url, node="mx3")
    third.until("current")
    assert "chunk" not in third.verbs()


def test_who_composes(store: RedisServer, couriers: Nodes) -> None:
    """The first node of a store is asked for a snapshot at once, and nobody else while that is new."""
    first, second = couriers.pair(store.url)
    assert first.verbs().count("compose") == 1
    assert "compose" not in second.verbs()


def test_old_snapshot(store: RedisServer, couriers: Nodes) -> None:
    """When a snapshot is as old as it may be, one node is asked for the next."""
    first = couriers.start(store.url)
    first.until_settled()
    store.ask("DEL", LOCK)
    made_s = time.time()
    wait_for(lambda: time.time() > made_s + 1, "the snapshot is old")
    second = couriers.start(store.url, node="mx2", snapshot_s=1)
    second.until("compose")


def test_trimmed(store: RedisServer, couriers: Nodes) -> None:
    """One whose entries have been trimmed before it came back joins once more."""
    first, second = couriers.pair(store.url)
    first.publish(1)
    heard = second.until("heard")[1]["id"]
    second.end()
    for number in range(2, 5):
        first.publish(number)
        first.until("published", first=number)
    store.ask("XTRIM", stream_name(PREFIX, 0), "MAXLEN", 1)
    again = couriers.start_with(
        second.settings, positions={0: heard}, heard={0: {"mx1": (1000, 1)}}, started=2000
    )
    assert again.until("heard")[2] == message("mx1", 4)
    again.until("current")
    assert "refused" not in again.verbs()


def test_trimmed_while_away(store: RedisServer, couriers: Nodes) -> None:
    """So does one that was only cut off."""
    first, second = couriers.pair(store.url)
    second.until("join")
    first.publish(1)
    second.until("heard")
    store.kill()
    second.until("store", ok=False)
    first.end()
    store.start()
    second.until("join")
    second.until("current")
