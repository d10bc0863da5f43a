# SPDX-License-Identifier: ISC
"""
How long an answer may have to wait for whatever else the daemon does: 100,000 bans, 1,000,000 clients with strikes.

A process of its own sends a policy request every millisecond on one connection. The figures are what a server sees
that asks at any moment while the work named goes on. As root, with nft, the bans are in the firewall too, in a network
namespace made for it. Prints one JSON object a line.
"""

import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filter_ban.client import ClientKey
from filter_ban.ledger import Ledger
from filter_ban.model import Ban, Kind, Strike
from postfix_policy import encode_request
from postfix_policy.testing import FakeSession
from tests.bench.enforcement import namespace
from tests.bench.figure import show
from tests.filter_ban.daemon.process import Daemon

BANS = 100_000
CLIENTS = 1_000_000
CLIENTS_A_REQUEST = 2000  # as filter-ban ban sends them
EVERY_S = 0.001
PORT = 10040
WAIT_S = 300.0

Sample = tuple[float, float]  # when it was sent, and how long its answer took; seconds


def probe(port: int) -> None:
    """Ask every millisecond until standard input ends; then print all samples."""
    request = encode_request(FakeSession("203.0.113.7").connect())
    samples: list[Sample] = []
    os.set_blocking(sys.stdin.fileno(), False)
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as server:
        due_s = time.monotonic()
        while sys.stdin.buffer.read(1) != b"":
            sent_s = time.monotonic()
            server.sendall(request)
            answer = server.recv(1024)
            assert answer == b"action=DUNNO\n\n", answer
            now_s = time.monotonic()
            samples.append((sent_s, now_s - sent_s))
            while (due_s := due_s + EVERY_S) < now_s:
                samples.append((due_s, now_s - due_s))  # who would have asked then would have waited so long
            time.sleep(due_s - now_s)
    json.dump(samples, sys.stdout)


class Probe:
    """The asking process, and what was done while it asked."""

    def __init__(self) -> None:
        self._begun_s: dict[str, tuple[float, float]] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.loop_lag", "--probe", str(PORT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    @contextlib.contextmanager
    def during(self, work: str) -> Iterator[None]:
        """Remember that *work* goes on within the context."""
        begun_s = time.monotonic()
        yield
        self._begun_s[work] = begun_s, time.monotonic()

    def show(self) -> None:
        """End the asking and print the figures for each work."""
        output, _ = self._process.communicate(timeout=WAIT_S)
        samples: list[Sample] = [tuple(sample) for sample in json.loads(output)]
        for work, (begun_s, ended_s) in self._begun_s.items():
            waits_ms = [took_s * 1e3 for sent_s, took_s in samples if begun_s <= sent_s <= ended_s]
            show(f"loop_lag_{work}_worst", max(waits_ms), "ms")
            show(f"loop_lag_{work}_p99", statistics.quantiles(waits_ms, n=100)[98], "ms")
            show(f"loop_lag_{work}_took", ended_s - begun_s, "s")

    def kill(self) -> None:
        """End the process if it still runs."""
        self._process.kill()
        self._process.wait()


def address(number: int) -> str:
    """Return an address of 10.0.0.0/8."""
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def fill(path: Path) -> None:
    """Write the ledger that the daemon finds."""
    now_s = int(time.time())
    keys = [ClientKey((10 << 24 | number).to_bytes(4) + b"\x20") for number in range(CLIENTS)]
    with Ledger.open(path, now_s) as ledger:
        for at in range(0, BANS, 10_000):
            ledger.record_bans(
                Ban(client=key, start_s=now_s - 100, end_s=now_s + 86_400, rule="5 in 10m", reason="bench")
                for key in keys[at : at + 10_000]
            )
        for at in range(0, CLIENTS, 10_000):
            ledger.record_strikes(
                Strike(key, now_s - 50_000 + number / 100, Kind.AUTH_FAIL, 1.0, "alice", 7, "bench")
                for number, key in enumerate(keys[at : at + 10_000], at)
            )


def until(condition: Callable[[], Any]) -> None:
    """Wait until *condition* holds, asking seldom."""
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.2)


def each(daemon: Daemon, command: str, **options: Any) -> None:
    """Have 100,000 clients, which have no bans before this, banned or lifted."""
    clients = [address(number) for number in range(BANS, 2 * BANS)]
    for at in range(0, BANS, CLIENTS_A_REQUEST):
        daemon.ask(command, clients=clients[at : at + CLIENTS_A_REQUEST], **options)


def end_at(daemon: Daemon, end_s: float) -> None:
    """Have 100,000 bans end in the same second."""
    clients = [address(number) for number in range(BANS, 2 * BANS)]
    for at in range(0, BANS, CLIENTS_A_REQUEST):
        length_s = int(end_s) - int(time.time())
        daemon.ask("ban", clients=clients[at : at + CLIENTS_A_REQUEST], length=length_s)


def work(daemon: Daemon, probe: Probe, *, firewall: bool) -> None:
    """Let the daemon do each of its long works."""

    def is_settled() -> bool:
        status = daemon.status()
        return not status["ledger"]["pending_bans"] and not status["firewall"]["pending"]

    with probe.during("restoring"):
        until(lambda: not daemon.status()["restoring"])
    assert daemon.status()["clients"] > 0.99 * CLIENTS
    until(is_settled)
    with probe.during("nothing"):
        time.sleep(5)
    with probe.during("list"):
        assert len(daemon.bans()) == BANS
    with probe.during("status"):
        for _ in range(100):
            daemon.status()
    with probe.during("search"):
        daemon.ask("show", client="NOSUCHREFERENCE")
    if firewall:
        with probe.during("sync"):
            daemon.ask("resync")
    with probe.during("ban_100000"):
        each(daemon, "ban", length=3600)
        until(is_settled)
    with probe.during("lift_100000"):
        each(daemon, "lift")
    with probe.during("lift_prefix_of_100000"):
        daemon.ask("lift", clients=["10.0.0.0/8"])
    assert daemon.status()["bans"] == 0
    with probe.during("lifts_in_ledger"):
        until(is_settled)
    end_at(daemon, time.time() + 30)
    until(lambda: daemon.status()["bans"] == BANS and is_settled())
    until(lambda: daemon.status()["bans"] < BANS)
    with probe.during("expiry_of_100000"):
        until(lambda: not daemon.status()["bans"])
        until(is_settled)


def measure(folder: Path, *, firewall: bool) -> None:
    """Run all of it with a daemon in *folder*."""
    backend = '[firewall]\nbackend = "nftables"\n' if firewall else ""
    daemon = Daemon(folder, f'[postfix]\nlisten = ["127.0.0.1:{PORT}"]\n{backend}')
    fill(daemon.ledger)
    with contextlib.ExitStack() as stack:
        stack.callback(daemon.peers.close)
        stack.callback(daemon.kill)
        begun_s = time.monotonic()
        daemon.start()
        show("loop_lag_start_to_first_answer", time.monotonic() - begun_s, "s")
        probe = Probe()
        stack.callback(probe.kill)
        work(daemon, probe, firewall=firewall)
        probe.show()


def main() -> None:
    """Measure, inside a namespace where there can be one."""
    if "--probe" in sys.argv:
        probe(int(sys.argv[-1]))
    elif "--inside" in sys.argv:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), firewall=True)
    elif os.geteuid() == 0 and shutil.which("nft"):
        with namespace() as name:
            subprocess.run(
                ["ip", "netns", "exec", name, sys.executable, "-m", "tests.bench.loop_lag", "--inside"],
                check=True,
                timeout=900,
            )
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), firewall=False)


if __name__ == "__main__":
    main()
