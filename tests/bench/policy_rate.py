# SPDX-License-Identifier: ISC
"""
How many policy requests a second the daemon answers, and how soon, with many bans and very many clients.

The real daemon process, 50 connections with one outstanding request each, every request of another client. The ceiling
is a bare asyncio.Protocol that parses the same attributes into a dictionary, under the same load and in turns with the
daemon. Prints one JSON object a line; the best of several runs, because a shared machine only ever makes them worse.
"""

import contextlib
import itertools
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filter_ban.ledger import Ledger
from filter_ban.ledger.backlog import COUNTED_CHUNK
from filter_ban.model import Ban, Kind, Strike
from tests.bench.enforcement import resident_mb
from tests.bench.figure import show
from tests.bench.ledger import make_client
from tests.bench.policy_load import Load, put_load
from tests.filter_ban.daemon.process import Daemon, wait_for

BANS = 100_000
CLIENTS = 1_000_000
REQUESTS = 50_000
ROUNDS = (
    12  # short ones in turns: a shared machine is slow for some of them, and it shall be slow for all three
)
BARE = """
import asyncio, sys

class Bare(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.rest = b""

    def data_received(self, data):
        *requests, self.rest = (self.rest + data).split(b"\\n\\n")
        for request in requests:
            attributes = dict([line.split("=", 1) for line in request.decode().split("\\n")])
            self.transport.write(b"action=DUNNO\\n\\n")

class Buffered(asyncio.BufferedProtocol, Bare):
    def __init__(self):
        self.buffer = bytearray(4096)

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, size):
        self.data_received(bytes(self.buffer[:size]))

async def main():
    server = await asyncio.get_running_loop().create_server(globals()[sys.argv[2]], "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()

asyncio.run(main())
"""


def fill(path: Path) -> None:
    """Make a ledger with many bans, and a strike in the window for each of very many clients."""
    path.parent.mkdir()
    now_s = time.time()
    strikes = (
        Strike(make_client(number), now_s - 60, Kind.AUTH_FAIL, 1.0, f"user{number % 999}", number + 1)
        for number in range(CLIENTS)
    )
    with Ledger.open(path, now_s) as ledger:
        ledger.record_bans(make_ban(number * (CLIENTS // BANS), int(now_s)) for number in range(BANS))
        while chunk := list(itertools.islice(strikes, COUNTED_CHUNK)):
            ledger.record_strikes(chunk)


def make_ban(number: int, now_s: int) -> Ban:
    """Return a ban of a day."""
    return Ban(
        client=make_client(number),
        start_s=now_s - 1,
        end_s=now_s + 86_400,
        rule="5 in 10m",
        reason="5 strikes within 10m",
        strikes=5.0,
        reference=f"{number:08X}",
    )


def free_port() -> int:
    """Return a TCP port that nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


def connects(port: int) -> bool:
    """Return whether somebody listens."""
    socket.create_connection(("127.0.0.1", port), 10).close()
    return True


@contextlib.contextmanager
def bare(kind: str) -> Iterator[int]:
    """Run a server that does nothing but parse; yield its port."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", BARE, str(port), kind]) as process:
        try:
            wait_for(lambda: connects(port), "the bare server listens")
            yield port
        finally:
            process.kill()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[Daemon, int]]:
    """Run a daemon that remembers a lot; yield it and the port of its policy service."""
    port = free_port()
    folder.mkdir()
    daemon = Daemon(folder, f'mode = "refuse"\n[postfix]\nlisten = ["127.0.0.1:{port}"]\n')
    fill(daemon.ledger)
    try:
        daemon.start()
        wait_for(lambda: not daemon.status()["restoring"], "the strikes are back")
        assert len(daemon.bans()) > 0.99 * BANS
        yield daemon, port
        daemon.stop()
    finally:
        daemon.peers.close()
        daemon.kill()


def show_load(name: str, loads: list[Load], ceilings: list[Load] | None = None) -> None:
    """Print the rate of the best run and its latencies."""
    best = max(loads, key=lambda load: load.rate)
    show(name, best.rate, "1/s", max(load.rate for load in ceilings) if ceilings else None)
    for what, latency_ms in zip(("median", "p99", "longest"), best.latencies_ms, strict=True):
        show(f"{name}_{what}", latency_ms, "ms")


def main() -> None:
    """Measure."""
    with (
        tempfile.TemporaryDirectory() as name,
        serving(Path(name, "daemon")) as (daemon, port),
        bare("Bare") as bare_port,
        bare("Buffered") as buffered_port,
    ):
        show("policy_engine_resident", resident_mb(daemon.engine_pid()), "MB")
        ports = {"bare": bare_port, "buffered": buffered_port, "daemon": port}
        loads: dict[str, list[Load]] = {which: [] for which in ports}
        for _ in range(ROUNDS):
            for which, tried in loads.items():
                tried.append(put_load(ports[which], REQUESTS, CLIENTS))
        assert all(0.08 < load.refused < 0.12 for load in loads["daemon"])
        show_load("policy_bare", loads["bare"])
        show_load("policy_bare_buffered", loads["buffered"])
        show_load("policy_rate", loads["daemon"], loads["bare"])
        show("policy_engine_resident_after", resident_mb(daemon.engine_pid()), "MB")


if __name__ == "__main__":
    main()
