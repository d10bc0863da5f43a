# SPDX-License-Identifier: ISC
"""
The way of a ban into the kernel: real daemon, real nftables, in a network namespace of its own.

Prints one JSON object a line. Needs root and nft; without them it says so on stderr and prints nothing.
"""

import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figure import show
from tests.filter_ban.daemon.process import Daemon, Smtpd, wait_for

BANS = 200
MANY = 100_000
NETLINK_NETFILTER = 12
NFNLGRP_NFTABLES = 7
SETTINGS = '[firewall]\nbackend = "nftables"\n'


class KernelWatch:
    """Tells when an address has become part of a set: the kernel's own notices, as ``nft monitor`` gets them."""

    def __init__(self) -> None:
        self._notices = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self._notices.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._notices.bind((0, 1 << (NFNLGRP_NFTABLES - 1)))
        self._notices.settimeout(20)

    def wait_for(self, address: str) -> float:
        """Return the time at which *address* was seen in a notice."""
        packed = socket.inet_aton(address)
        while packed not in self._notices.recv(1 << 16):
            pass
        return time.perf_counter()

    def close(self) -> None:
        """Listen no more."""
        self._notices.close()


def time_to_ban(daemon: Daemon, watch: KernelWatch, first: int, count: int) -> list[float]:
    """Return the milliseconds from the fifth failing link-auth to the entry in the kernel, for so many clients."""
    server = Smtpd(daemon)
    taken_ms = []
    for number in range(first, first + count):
        client = f"198.18.{number >> 8}.{number & 255}"
        session, _ = server.connect(client)
        for attempt in range(4):
            server.login(session, f"AGEA{number}{attempt}")
        assert server.ask("auth", session, f"PLAIN last{number}") == "proceed"
        begun_s = time.perf_counter()
        server.report("link-auth", session, "fail", "alice@example.org")
        taken_ms.append((watch.wait_for(client) - begun_s) * 1000)
        server.report("link-disconnect", session)
    return taken_ms


def show_times(name: str, taken_ms: list[float]) -> None:
    """Print median and 99th percentile."""
    show(f"{name}_median", statistics.median(taken_ms), "ms")
    show(f"{name}_p99", statistics.quantiles(taken_ms, n=100)[98], "ms")


def ban_many(daemon: Daemon) -> None:
    """Ban a hundred thousand clients by hand."""
    clients = [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(MANY)]
    for at in range(0, MANY, 5000):
        daemon.ask("ban", clients=clients[at : at + 5000], length=86_400)


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1024


def in_force(daemon: Daemon) -> int:
    """Return how many bans the daemon says are in force."""
    return int(daemon.status()["firewall"]["in_force"])


def entries() -> int:
    """Return how many addresses the kernel's set holds."""
    listed = subprocess.run(
        ["nft", "list", "set", "inet", "filter_ban", "net4_32"], capture_output=True, check=False
    )
    return listed.stdout.count(b"expires")


def measure(folder: Path) -> None:
    """Run all of it, inside a namespace."""
    daemon = Daemon(folder, SETTINGS)
    with contextlib.ExitStack() as stack:
        stack.callback(daemon.peers.close)
        stack.callback(daemon.kill)
        daemon.start()
        show("daemon_idle_resident", resident_mb(daemon.pid) + resident_mb(daemon.engine_pid()), "MB")
        watch = KernelWatch()
        show_times("time_to_ban", time_to_ban(daemon, watch, 0, BANS))
        watch.close()
        begun_s = time.perf_counter()
        ban_many(daemon)
        show("ban_100000_by_hand", time.perf_counter() - begun_s, "s")
        wait_for(lambda: in_force(daemon) >= MANY, "all are in force")
        show("in_force_100000_after", time.perf_counter() - begun_s, "s")
        watch = KernelWatch()
        show_times("time_to_ban_with_100000", time_to_ban(daemon, watch, BANS, 50))
        watch.close()
        wait_for(lambda: daemon.status()["ledger"]["pending_bans"] == 0, "all are committed")
        daemon.stop()
        before = entries()
        daemon.start()
        wait_for(lambda: daemon.status()["firewall"]["last_sync"], "the first comparison is done")
        show("entries_changed_by_restart", abs(entries() - before), "entries")
        daemon.stop()
        subprocess.run(["nft", "flush", "ruleset"], check=True)
        begun_s = time.perf_counter()
        daemon.start()
        show("restart_to_first_answer", time.perf_counter() - begun_s, "s")
        wait_for(lambda: in_force(daemon) >= MANY, "all are in force again")
        show("restart_to_100000_in_force", time.perf_counter() - begun_s, "s")
        assert entries() >= MANY


@contextlib.contextmanager
def namespace() -> Iterator[str]:
    """Make a network namespace, and remove it."""
    name = f"fb-bench-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def main() -> None:
    """Measure inside a namespace."""
    if "--inside" in sys.argv:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder))
    elif os.geteuid() != 0 or not shutil.which("nft"):
        print("enforcement: needs root and nft", file=sys.stderr)
    else:
        with namespace() as name:
            subprocess.run(
                ["ip", "netns", "exec", name, sys.executable, "-m", "tests.bench.enforcement", "--inside"],
                check=True,
                timeout=300,
            )


if __name__ == "__main__":
    main()
