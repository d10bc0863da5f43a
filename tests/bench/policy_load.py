# SPDX-License-Identifier: ISC
"""Policy requests on many connections, one outstanding on each, from a process of its own; for the policy's benchmark."""

import gc
import json
import random
import select
import socket
import subprocess
import sys
import time
from typing import Any

import attrs

from filter_ban.client import key_text
from postfix_policy import encode_request
from postfix_policy.testing import FakeSession
from tests.bench.ledger import make_client

CONNECTIONS = 50
PLACE = b"192.0.2.7"
DUNNO = b"action=DUNNO\n\n"
MAIN = "from tests.bench.policy_load import main; main()"
WARM_UP = 5_000  # requests before the clock is started


@attrs.frozen
class Load:
    """What came of a run."""

    rate: float  # requests a second
    latencies_ms: list[float]  # median, 99th percentile and longest
    refused: float  # part of all


def put_load(port: int, requests: int, clients: int) -> Load:
    """Send so many requests to the server on *port*, each of another of so many clients."""
    argv = [sys.executable, "-c", MAIN, str(port), str(requests), str(clients)]
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, timeout=600)
    return Load(**json.loads(done.stdout))


def main() -> None:
    """Be that process."""
    port, requests, clients = map(int, sys.argv[1:])
    head, tail = encode_request(FakeSession(PLACE.decode(), policy_context="submission").connect()).split(
        PLACE
    )
    asked = [head + address + tail for address in addresses(requests + WARM_UP, clients)]
    gc.disable()
    print(json.dumps(exchange(port, asked)))


def addresses(count: int, clients: int) -> list[bytes]:
    """Return so many addresses, all of them distinct, in no order, of so many clients."""
    chosen = random.Random().sample(range(clients), count)
    return [key_text(make_client(number)).encode() for number in chosen]


def exchange(port: int, asked: list[bytes]) -> dict[str, Any]:
    """Ask all that is to be asked; return the fields of the load."""
    poll, now = select.epoll(), time.perf_counter
    peers, sent_s = {}, {}
    for _ in range(CONNECTIONS):
        sock = socket.create_connection(("127.0.0.1", port), 20)
        sock.setblocking(False)
        poll.register(sock, select.EPOLLIN)
        peers[sock.fileno()] = sock
        sent_s[sock.fileno()] = now()
        sock.send(asked.pop())
    latencies_s: list[float] = []
    refused = 0
    outstanding = CONNECTIONS
    begun_s = 0.0
    while outstanding:
        for fd, _ in poll.poll():
            reply, time_s = peers[fd].recv(1024), now()
            latencies_s.append(time_s - sent_s[fd])
            if reply != DUNNO:
                assert reply.startswith(b"action=421 4.7.0 "), reply
                refused += 1
            if asked:
                sent_s[fd] = time_s
                peers[fd].send(asked.pop())
            else:
                outstanding -= 1
            if not begun_s and len(latencies_s) == WARM_UP:
                latencies_s.clear()
                begun_s, refused = now(), 0
    took_s = now() - begun_s
    answered = len(latencies_s)
    latencies_s.sort()
    return {
        "rate": answered / took_s,
        "latencies_ms": [1e3 * latencies_s[at] for at in (answered // 2, answered * 99 // 100, -1)],
        "refused": refused / answered,
    }
