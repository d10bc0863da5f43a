# SPDX-License-Identifier: ISC
"""
Policy requests at a fixed rate, from a process of its own: what they wait for answers does not make them fewer.

A request that is due while every connection waits for an answer is counted from when it was due.
"""

import gc
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections import deque
from typing import Self

from filter_ban.client import key_text
from postfix_policy import encode_request
from postfix_policy.testing import FakeSession
from tests.bench.ledger import make_client

CONNECTIONS = 50
CLIENTS = 1_000_000
MAIN = "from tests.bench.paced_load import main; main()"
_PLACE = b"192.0.2.7"


class PacedLoad:
    """
    A load that runs from its making until :meth:`latencies_ms`; in the network of the thread that makes it.

    Args:
        port: Of the policy service, on loopback.
        rate: Requests a second.
        seconds: How long.

    """

    def __init__(self, port: int, rate: int, seconds: float) -> None:
        self._seconds = seconds
        self._process = subprocess.Popen(
            [sys.executable, "-c", MAIN, str(port), str(rate), str(seconds)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    def latencies_ms(self) -> list[float]:
        """Return how long each answer took, the shortest first, when all are there."""
        out, _ = self._process.communicate(timeout=self._seconds + 60)
        assert self._process.returncode == 0
        latencies_ms: list[float] = json.loads(out)
        return latencies_ms

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def percentile(latencies_ms: list[float], part: float) -> float:
    """Return the latency that *part* of the sorted *latencies_ms* do not exceed."""
    return latencies_ms[min(int(len(latencies_ms) * part), len(latencies_ms) - 1)]


def main() -> None:
    """Be that process."""
    port, rate, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    head, tail = encode_request(FakeSession(_PLACE.decode(), policy_context="submission").connect()).split(
        _PLACE
    )
    gc.disable()
    print(json.dumps(sorted(exchange(port, rate, int(rate * seconds), head, tail))))


def exchange(port: int, rate: int, count: int, head: bytes, tail: bytes) -> list[float]:
    """Ask *count* times; return the latencies in milliseconds."""
    poll, now = select.epoll(), time.perf_counter
    peers: dict[int, socket.socket] = {}
    for _ in range(CONNECTIONS):
        sock = socket.create_connection(("127.0.0.1", port), 20)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(sock, select.EPOLLIN)
        peers[sock.fileno()] = sock
    idle, since_s = deque(peers), {}
    latencies_ms: list[float] = []
    began_s, sent = now(), 0
    while len(latencies_ms) < count:
        due_s = began_s + sent / rate
        late_s = now() - due_s
        if sent < count and idle and late_s >= 0:
            fd = idle.popleft()
            since_s[fd] = now() if len(idle) > 1 else due_s
            peers[fd].send(head + key_text(make_client(sent * 7919 % CLIENTS)).encode() + tail)
            sent += 1
            continue
        wait_s = -late_s if sent < count and idle else 20.0
        for fd, _ in poll.poll(max(wait_s, 0.0)):
            reply = peers[fd].recv(1024)
            assert reply.startswith(b"action="), reply
            latencies_ms.append(1e3 * (now() - since_s[fd]))
            idle.append(fd)
    return latencies_ms
