# SPDX-License-Identifier: ISC
"""
What metrics cost: processor time for each policy request with and without, and what a scrape does to those who ask.

Real daemons with many bans and very many clients, two without metrics and two with them (no two processes are equally
fast), under the same load in turns; then one with metrics while it is scraped without pause. And the measurement alone,
without a daemon around it. Prints one JSON object a line.
"""

import contextlib
import http.client
import itertools
import shutil
import statistics
import tempfile
import threading
import time
import timeit
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from filter_ban.daemon import fronts
from filter_ban.metrics import Histogram
from filter_ban.metrics.histogram import ANSWER_BOUNDS_S
from tests.bench.figure import show
from tests.bench.policy_load import Load, put_load
from tests.bench.policy_rate import BANS, CLIENTS, fill
from tests.filter_ban.daemon.process import Daemon, free_port, wait_for

REQUESTS = 20_000
ROUNDS = 8
SCRAPED_ROUNDS = 3
CALLS = 20_000


class Rig:
    """A daemon and where it is asked."""

    def __init__(self, folder: Path, ledger: Path, *, measured: bool) -> None:
        self.policy_port, self.metrics_port = free_port(), free_port()
        folder.mkdir()
        metrics = f'[metrics]\nlisten = ["127.0.0.1:{self.metrics_port}"]\n' if measured else ""
        postfix = f'[postfix]\nlisten = ["127.0.0.1:{self.policy_port}"]\n'
        self.daemon = Daemon(folder, f'mode = "refuse"\n{postfix}{metrics}')
        shutil.copytree(ledger.parent, self.daemon.ledger.parent)

    def start(self) -> None:
        """Start the daemon and wait until it remembers all."""
        self.daemon.start()
        wait_for(lambda: not self.daemon.status()["restoring"], "the strikes are back")
        assert self.daemon.status()["bans"] > 0.99 * BANS

    def cpu_s(self) -> float:
        """Return what the engine's loop has used: to the nanosecond, as Linux's schedstat has it."""
        pid = self.daemon.engine_pid()
        return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9

    def load(self) -> tuple[Load, float]:
        """Ask a lot; return what came of it, and the processor time of a request in microseconds."""
        begun_s = self.cpu_s()
        load = put_load(self.policy_port, REQUESTS, CLIENTS)
        return load, (self.cpu_s() - begun_s) / REQUESTS * 1e6

    def end(self) -> None:
        """End the daemon."""
        self.daemon.peers.close()
        self.daemon.kill()


@contextlib.contextmanager
def scraping(port: int) -> Iterator[list[float]]:
    """Scrape without pause within the context; yield the list of how long each took, in milliseconds."""
    took_ms: list[float] = []
    done = threading.Event()

    def scrape() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while not done.is_set():
            begun_s = time.perf_counter()
            connection.request("GET", "/metrics")
            assert b"filter_ban_clients 9" in connection.getresponse().read()
            took_ms.append((time.perf_counter() - begun_s) * 1e3)
        connection.close()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield took_ms
    finally:
        done.set()
        thread.join()


def measuring_s() -> float:
    """Return what the measurement itself takes around an answer, in this process, by the second."""

    def decide(_request: Any, _peer: Any) -> Any:
        return None

    ways: list[Callable[..., Any]] = [fronts._measured(decide, Histogram(ANSWER_BOUNDS_S)), decide]
    measured_s, bare_s = (
        min(timeit.repeat(partial(way, None, None), number=CALLS, repeat=20)) / CALLS for way in ways
    )
    return measured_s - bare_s


def measure(rigs: dict[str, list[Rig]]) -> None:
    """Print all figures."""
    runs: dict[str, list[tuple[Load, float]]] = {kind: [] for kind in rigs}
    for _ in range(ROUNDS):
        for kind, alike in rigs.items():
            runs[kind] += [rig.load() for rig in alike]
    for name, done in runs.items():
        best = max((load for load, _ in done), key=lambda load: load.rate)
        show(f"metrics_{name}_rate", best.rate, "1/s")
        show(f"metrics_{name}_p99", best.latencies_ms[1], "ms")
    cpu_us = {name: min(cost for _, cost in done) for name, done in runs.items()}
    show("metrics_cpu_per_request", cpu_us["measured"], "us", cpu_us["without"])
    measuring_us = measuring_s() * 1e6
    show("metrics_measuring_an_answer", measuring_us, "us", cpu_us["without"])
    measured = rigs["measured"][0]
    with scraping(measured.metrics_port) as took_ms:
        scraped = [measured.load()[0] for _ in range(SCRAPED_ROUNDS)]
    best = min(scraped, key=lambda load: load.latencies_ms[1])
    show("metrics_scraped_p99", best.latencies_ms[1], "ms")
    show("metrics_scraped_longest", best.latencies_ms[2], "ms")
    show("metrics_scrape_under_load_median", statistics.median(took_ms), "ms")


def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        ledger = Path(name, "ledger", "ledger.sqlite3")
        fill(ledger)
        rigs = {
            kind: [
                Rig(Path(name, f"{kind}{number}"), ledger, measured=kind == "measured") for number in range(2)
            ]
            for kind in ("without", "measured")
        }
        for rig in itertools.chain(*rigs.values()):
            stack.callback(rig.end)
            rig.start()
        measure(rigs)


if __name__ == "__main__":
    main()
