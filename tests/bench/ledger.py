# SPDX-License-Identifier: ISC
"""How fast the ledger is: one JSON object a line. The folder to measure in may be given; by default a temporary one."""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from filter_ban.client import ClientKey, make_key
from filter_ban.ledger import Ledger, LedgerWriter, Retention
from filter_ban.ledger.backlog import COUNTED_CHUNK
from filter_ban.model import Ban, Kind, Strike
from tests.bench.figure import show

BANS = 100_000
STRIKES = 1_000_000
COMMITS = 300
NOW_S = 1_800_000_000

OPEN = """
import re, sys, time
from pathlib import Path
from filter_ban.ledger import Ledger
Ledger.open(Path(sys.argv[1]), time.time())
print(re.search(r"VmRSS:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def main() -> None:
    """Measure all."""
    base = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=base) as folder:
        path = Path(folder, "ledger.sqlite3")
        show("ledger_commit_bare_median", 1e3 * statistics.median(bare_commits(Path(folder))), "ms")
        measure_latency(path)
        with Ledger.open(path, NOW_S) as ledger:
            measure_bans(ledger)
            measure_strikes(ledger)
        began_s = time.perf_counter()
        Ledger.open(path, NOW_S).close()
        show("ledger_open", 1e3 * (time.perf_counter() - began_s), "ms")
        memory = subprocess.run([sys.executable, "-c", OPEN, path], check=True, capture_output=True)
        show("ledger_import_and_open_memory", int(memory.stdout) / 1024, "MB")


def measure_latency(path: Path) -> None:
    """From handing over one ban to the news that it is safe, with nothing else to do."""
    committed = threading.Event()
    writer = LedgerWriter(
        path,
        clock=lambda: NOW_S,
        retention=Retention(strike_age_s=604_800, ban_age_s=2_592_000),
        on_committed=lambda _: committed.set(),
    )
    writer.start()
    taken_s = []
    for number in range(COMMITS):
        committed.clear()
        began_s = time.perf_counter()
        writer.record([make_ban(BANS + number)])
        committed.wait()
        taken_s.append(time.perf_counter() - began_s)
    writer.stop(10)
    show("ledger_commit_median", 1e3 * statistics.median(taken_s), "ms")
    show("ledger_commit_p99", 1e3 * statistics.quantiles(taken_s, n=100)[98], "ms")


def bare_commits(folder: Path) -> Iterator[float]:
    """Yield what the disk alone takes: one page appended and synchronised."""
    with Path(folder, "bare").open("wb", buffering=0) as file:
        for _ in range(COMMITS):
            began_s = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file)
            yield time.perf_counter() - began_s


def measure_bans(ledger: Ledger) -> None:
    """Record and read back many bans."""
    bans = [make_ban(number) for number in range(BANS)]
    began_s = time.perf_counter()
    ledger.record_bans(bans)
    show("ledger_record_100000_bans", time.perf_counter() - began_s, "s")
    began_s = time.perf_counter()
    found = list(ledger.active_bans(NOW_S))
    show("ledger_read_100000_bans", time.perf_counter() - began_s, "s")
    assert len(found) == BANS + COMMITS
    began_s = time.perf_counter()
    list(ledger.offences(0))
    show("ledger_read_100000_offences", time.perf_counter() - began_s, "s")


def measure_strikes(ledger: Ledger) -> None:
    """Record many strikes as the writer does, and read them back."""
    strikes = (make_strike(number) for number in range(STRIKES))
    began_s = time.perf_counter()
    while chunk := list(islice(strikes, COUNTED_CHUNK)):
        ledger.record_strikes(chunk)
    show("ledger_record_strikes", STRIKES / (time.perf_counter() - began_s), "1/s")
    began_s = time.perf_counter()
    assert sum(1 for _ in ledger.strikes_since(0)) == STRIKES
    show("ledger_read_strikes", STRIKES / (time.perf_counter() - began_s), "1/s")


def make_client(number: int) -> ClientKey:
    """Return a client of its own for each *number*, in no order."""
    return make_key((number * 2_654_435_761 % 2**32).to_bytes(4), 32)


def make_ban(number: int) -> Ban:
    """Return an ordinary ban."""
    return Ban(
        client=make_client(number),
        start_s=NOW_S - 1,
        end_s=NOW_S + 900,
        rule="5 in 10m",
        reason="5 strikes within 10m",
        strikes=5.0,
        reference=f"{number:08X}",
    )


def make_strike(number: int) -> Strike:
    """Return an ordinary strike of one among many clients."""
    client = make_client(number % 200_000)
    return Strike(
        client, NOW_S + number / 1000, Kind.AUTH_FAIL, 1.0, f"user{number % 999}@example.org", number, "smtps"
    )


if __name__ == "__main__":
    main()
