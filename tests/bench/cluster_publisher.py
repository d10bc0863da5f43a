# SPDX-License-Identifier: ISC
"""Nodes that are not there: strikes under their names in the streams of a store, at a rate, from a process of its own."""

import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from typing import Any, Self

from redis import Redis

from filter_ban.client import key_text, parse_network
from filter_ban.cluster.keys import ClusterKeys
from filter_ban.cluster.message import MAX_NOTICES, Header, pack
from filter_ban.cluster.shards import shard_of, stream_name
from tests.bench.ledger import make_client

NODES = 4
SHARDS = 4
CLIENTS = 500_000
PREFIX = "filter-ban"
MAIN = "from tests.bench.cluster_publisher import main; main()"


class Publisher:
    """
    Speaks from :meth:`speak` on; what it says is made before.

    Args:
        store: Path of the store's unix socket.
        secret: What nodes share.
        rate: Strikes a second.
        count: Strikes in all.
        series: Number of the run; bans of its :func:`marks` are said last.

    """

    def __init__(self, store: str, secret: bytes, rate: int, count: int, series: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", MAIN, store, secret.decode(), str(rate), str(count), str(series)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def speak(self) -> None:
        """Begin."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait(self) -> float:
        """Return how many strikes a second it said, at its end."""
        assert self._process.stdout is not None
        return float(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def marks(series: int) -> list[str]:
    """Return a client of each shard: who refuses them has folded all of the series."""
    addresses = [f"203.0.{series}.{number}" for number in range(256)]
    by_shard = {shard_of(parse_network(address), SHARDS): address for address in addresses}
    return [by_shard[shard] for shard in range(SHARDS)]


def main() -> None:
    """Be that process."""
    store, secret = sys.argv[1], sys.argv[2].encode()
    rate, count, series = map(int, sys.argv[3:])
    keys = ClusterKeys(secret)
    messages = make(keys, count) + make_marks(keys, series)
    print("ready", flush=True)
    sys.stdin.read()
    began_s = time.perf_counter()
    said = 0
    with Redis(unix_socket_path=store) as client:
        for stream, message, tag, notices in messages:
            client.xadd(stream, {"m": message, "t": tag})
            said += notices
            time.sleep(max(0.0, began_s + said / rate - time.perf_counter()))
    print(said / (time.perf_counter() - began_s), flush=True)


def make(keys: ClusterKeys, count: int) -> list[tuple[str, bytes, bytes, int]]:
    """Return messages with *count* strikes in all: stream, message, seal and how many strikes."""
    source, now_s = random.Random(1), time.time()
    heard: dict[tuple[int, int], list[list[Any]]] = defaultdict(list)
    numbers: dict[tuple[int, int], int] = defaultdict(lambda: 1)
    messages = []
    for number in range(count):
        client = make_client(source.randrange(CLIENTS))
        shard = shard_of(client, SHARDS)
        place = number % NODES, shard
        user, secret = source.getrandbits(32), 0x4000_0000 | source.getrandbits(12)
        time_s = now_s - (count - number) / count
        strike = ["strike", key_text(client), time_s, "auth-fail", 1.0, user, secret, "192.0.2.1:587", 1]
        heard[place].append(strike)
        if len(heard[place]) == MAX_NOTICES:
            messages.append(_seal(keys, place, numbers[place], heard.pop(place), now_s))
            numbers[place] += MAX_NOTICES
    return messages + [_seal(keys, place, numbers[place], rest, now_s) for place, rest in heard.items()]


def make_marks(keys: ClusterKeys, series: int) -> list[tuple[str, bytes, bytes, int]]:
    """Return messages with a ban of each of the marks."""
    now_s = time.time()
    start_s = int(now_s)
    bans = [
        ["ban", client, start_s, start_s + 3600, "by hand", "", 1, 0, f"M{number}", 0, "far", now_s]
        for number, client in enumerate(marks(series))
    ]
    return [_seal(keys, (NODES, shard), 1, [ban], now_s) for shard, ban in enumerate(bans)]


def _seal(
    keys: ClusterKeys, place: tuple[int, int], first: int, notices: list[list[Any]], now_s: float
) -> tuple[str, bytes, bytes, int]:
    node, shard = place
    stream = stream_name(PREFIX, shard)
    header = Header(node=f"far{node}", started=int(now_s * 1000), first=first, count=len(notices))
    message = pack(header, notices)
    return stream, message, keys.seal(stream, message), len(notices)
