# SPDX-License-Identifier: ISC
"""The courier's process, with a real store."""

import os
import signal
from pathlib import Path

import pytest

from filter_ban.cluster.shards import stream_name
from filter_ban.cluster.wire import MAX_UNFOLDED
from tests.filter_ban.courier.node import PREFIX, Nodes, message
from tests.filter_ban.courier.redis_server import RedisServer
from tests.filter_ban.daemon.process import WAIT_S, wait_for

STREAM = stream_name(PREFIX, 0)


def test_from_node_to_node(store: RedisServer, couriers: Nodes) -> None:
    """What a node publishes is heard by the other, as it was said, and not by itself."""
    first, second = couriers.pair(store.url)
    sent = first.publish(1, 3)

    verb, facts, heard = second.until("heard")
    assert (verb, heard, facts["shard"], facts["shift_s"]) == ("heard", sent, 0, 0)
    assert first.until("published")[1] == {"shard": 0, "first": 1}
    assert first.until("passed")[1] == {"shard": 0, "id": facts["id"]}
    assert "heard" not in first.verbs()


def test_shards(store: RedisServer, couriers: Nodes) -> None:
    """Each shard has its stream, and numbers of its own."""
    first, second = couriers.pair(store.url, shards=3)
    sent = {shard: first.publish(1, shard + 1, shard) for shard in (2, 0, 1)}
    heard = [second.until("heard") for _ in range(3)]
    assert {facts["shard"]: text for _, facts, text in heard} == sent


def test_order(store: RedisServer, couriers: Nodes) -> None:
    """Messages come in the order in which they were published, each once."""
    first, second = couriers.pair(store.url)
    sent = []
    for number in range(1, 51):
        sent.append(first.publish(number))
        first.until("published", first=number)
    assert second.heard(50) == sent


def test_what_is_not_believed(store: RedisServer, couriers: Nodes) -> None:
    """What no node has put there, or has been there, is counted and kept from the engine."""
    node = couriers.start(store.url, shards=2)
    node.until_current()
    store.put(STREAM, message("mx2", 5))
    assert node.until("heard")[2] == message("mx2", 5)

    store.put(STREAM, message("mx2", 6), key="another")
    store.put(stream_name(PREFIX, 1), message("mx2", 6), STREAM)
    store.ask("XADD", STREAM, "*", "x", "y")
    store.put(STREAM, message("mx2", 5))
    store.put(STREAM, message("mx2", 4))
    store.put(STREAM, b"no message")
    last = store.put(STREAM, message("mx1", 1, started=2000))
    node.until("refused", forged=3, replayed=2, malformed=1, same_name=1)
    assert node.until("passed", shard=0)[1]["id"] == last

    store.put(STREAM, message("mx2", 6))
    assert node.until("heard")[2] == message("mx2", 6)


def test_what_it_said_before_its_start(store: RedisServer, couriers: Nodes) -> None:
    """A node hears what it said itself in an earlier start, and may have lost."""
    store.put(STREAM, message("mx1", 1, started=999))
    store.put(STREAM, message("mx1", 1, started=1000))
    node = couriers.start(store.url)
    assert node.until("heard")[2] == message("mx1", 1, started=999)
    node.until("current")
    assert "heard" not in node.verbs()


def test_flow(store: RedisServer, couriers: Nodes) -> None:
    """No more is handed over than the engine can take; the rest comes as it folds."""
    for number in range(1, 2 * MAX_UNFOLDED + 1):
        store.put(STREAM, message("mx2", number))
    node = couriers.start(store.url, folds=False)
    heard = [node.until("heard")[1]["id"] for _ in range(MAX_UNFOLDED)]
    node.compose(message("mx1", count=0))
    assert {"heard", "current"}.isdisjoint(node.verbs())

    for entry in heard:
        node.say("folded", {"shard": 0, "id": entry})
    assert len(node.heard(MAX_UNFOLDED)) == MAX_UNFOLDED
    node.until("current")


def test_where_it_was(store: RedisServer, couriers: Nodes) -> None:
    """A courier goes on behind the last entry that was folded, with the same content, and remembers what was heard."""
    first = couriers.start(store.url)
    epoch = first.until_one(lambda frame: frame[1].get("epoch"), "an epoch")[1]["epoch"]
    first.until_settled()
    position = store.put(STREAM, message("mx2", 1, 9))
    first.until("heard")
    store.put(STREAM, message("mx2", 4))
    store.put(STREAM, message("mx2", 10))

    second = couriers.start_with(
        first.settings,
        positions={0: position},
        heard={0: {"mx2": (1000, 9)}},
        epochs={0: epoch},
        started=2000,
    )
    assert second.until("heard")[2] == message("mx2", 10)
    second.until("join")
    second.until("refused", replayed=1)


def test_another_epoch(store: RedisServer, couriers: Nodes) -> None:
    """Where the content is another one, all of it is read; what has been heard before is neither news nor replayed."""
    position = store.put(STREAM, message("mx2", 1))
    store.put(STREAM, message("mx2", 2))
    store.put(STREAM, message("mx2", 3))
    node = couriers.start(
        store.url, positions={0: position}, heard={0: {"mx2": (1000, 2)}}, epochs={0: "another"}
    )
    assert node.until("heard")[2] == message("mx2", 3)
    node.until("current")
    node.compose(message("mx1", count=0))
    assert "refused" not in node.verbs()


def test_old_entries(store: RedisServer, couriers: Nodes) -> None:
    """What is older than strikes matter is not read."""
    text = message("mx2", 1)
    store.ask("XADD", STREAM, "1000-0", "m", text, "t", b"x" * 16)
    node = couriers.start(store.url)
    node.until("current")
    node.until("passed")
    assert {"heard", "refused"}.isdisjoint(node.verbs())


@pytest.mark.parametrize("role", ["listen-only", "publish-only"])
def test_roles(store: RedisServer, couriers: Nodes, role: str) -> None:
    """One that only listens says nothing, and one that only publishes hears nothing; both tell of themselves."""
    full = couriers.start(store.url, node="mx2")
    full.until_settled()
    half = couriers.start(store.url, role=role)
    half.say("tell", {"role": role})
    half.publish()
    full.publish()
    if role == "listen-only":
        assert half.until("heard")[2] == message("mx2", 1)
    else:
        assert full.until("heard")[2] == message("mx1", 1)
    wait_for(lambda: store.ask("HKEYS", f"{PREFIX}:{{0}}:nodes") == [b"mx1"], "it tells")
    half.until("peers", peers={})
    unwanted = {"published", "compose"} if role == "listen-only" else {"join", "heard", "current", "compose"}
    assert unwanted.isdisjoint(half.verbs())


def test_peers(store: RedisServer, couriers: Nodes) -> None:
    """Each node learns of the others: what they tell, when they were seen, and what it has not heard of them."""
    first, second = couriers.pair(store.url)
    second.say("tell", {"role": "full", "bans": 3})
    wait_for(lambda: store.ask("HLEN", f"{PREFIX}:{{0}}:nodes"), "the second tells")
    third = couriers.start(store.url, node="mx3")
    peer = third.until_one(lambda frame: frame[0] == "peers" and "mx2" in frame[1]["peers"], "a peer")[1]
    told = peer["peers"]["mx2"]
    assert (told["role"], told["bans"], told["lag"]) == ("full", 3, 0)
    assert abs(told["clock"]) < 1
    assert told["seen"] > 1.6e9
    first.end()


def test_without_the_extra(folder: Path, couriers: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where redis-py is not installed, that is told, and the courier stays."""
    (folder / "redis.py").write_text("raise ImportError('No module named redis')\n")
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    node = couriers.start("redis://127.0.0.1:1")
    assert "not installed" in node.until("store", ok=False)[1]["problem"]
    node.publish()
    assert node.process._process.poll() is None


def test_signals(store: RedisServer, couriers: Nodes) -> None:
    """Signals to the engine's group do not end it."""
    first, second = couriers.pair(store.url)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(first.process.pid, number)
    sent = first.publish()
    assert second.until("heard")[2] == sent


def test_engine_that_is_gone(store: RedisServer, couriers: Nodes) -> None:
    """A courier leaves with its engine, in order."""
    node = couriers.start(store.url)
    node.until_current()
    node.connection.close()
    assert node.process._process.wait(WAIT_S) == 0


def test_engine_that_is_gone_at_once(store: RedisServer, couriers: Nodes) -> None:
    """So does one whose engine is gone before it has begun."""
    node = couriers.start(store.url)
    node.connection.close()
    assert node.process._process.wait(WAIT_S) == 0
