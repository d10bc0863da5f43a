# SPDX-License-Identifier: ISC
"""
How fast nftables and ipset are with 100,000 entries, from Python and bare: one JSON object a line.

Needs root, nft, ipset and iptables.
"""

import ctypes
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from filter_ban.client import ClientKey, make_key
from filter_ban.firewall import Backend, Change, Command, DesiredTable, Runner
from filter_ban.firewall.ipset import Ipset
from filter_ban.firewall.nftables import Nftables
from tests.bench.figure import show

ENTRIES = 100_000
ONE_BY_ONE = 100
REPEATS = 3
NOW_S = 1_800_000_000
BACKENDS: tuple[tuple[Backend, Command], ...] = (
    (Nftables(), Command(("nft", "flush", "ruleset"))),
    (Ipset(), Command(("ipset", "destroy"))),
)
_CLONE_NEWNET = 0x40000000


def main() -> None:
    """Measure all, in a network namespace that ends with this process."""
    if os.geteuid() != 0 or ctypes.CDLL(None).unshare(_CLONE_NEWNET) != 0:
        sys.exit("firewall: needs root, for a network namespace of its own")
    before_kb = peak_kb()
    for backend, wipe in BACKENDS:
        measure(backend, wipe)
    show("firewall_memory_peak_growth", (peak_kb() - before_kb) / 1024, "MB")


def measure(backend: Backend, wipe: Command) -> None:
    """Measure one backend, and its tool alone."""
    run, wanted = Runner(), clients()
    loads, bare_loads = [], []
    for _ in range(REPEATS):
        run(wipe)
        for command in backend.setup_commands([(32, 32), (32, 24), (128, 64)]):
            run(command)
        (bare_load,) = backend.change_commands(Change(adds=[(key, 960) for key in wanted]))
        bare_loads.append(bare(bare_load))
        run(wipe)
        table = DesiredTable(backend, run)
        table.replace(wanted)
        loads.append(seconds(partial(table.sync, NOW_S)))

    ones = [seconds(partial(table.apply, {key: NOW_S + 900}, [], NOW_S)) for key in more_clients()]
    (bare_one,) = backend.change_commands(Change(adds=[(next(iter(more_clients())), 960)]))
    bare_ones = [bare(bare_one) for _ in range(ONE_BY_ONE)]

    listings = backend.list_commands()
    reads = [seconds(table.read) for _ in range(REPEATS)]
    bare_reads = [sum(map(bare, listings)) for _ in range(REPEATS)]
    idle = [seconds(partial(table.reconcile, table.read(), NOW_S)) for _ in range(REPEATS)]

    name, median = backend.name, statistics.median
    show(f"{name}_load_100000", 1e3 * median(loads), "ms", 1e3 * median(bare_loads))
    show(f"{name}_one_more_median", 1e3 * median(ones), "ms", 1e3 * median(bare_ones))
    show(f"{name}_one_more_p99", 1e3 * sorted(ones)[int(len(ones) * 0.99)], "ms")
    show(f"{name}_read_100000", 1e3 * median(reads), "ms", 1e3 * median(bare_reads))
    show(f"{name}_reconcile_nothing_to_do", 1e3 * median(idle), "ms")
    run(wipe)


def clients() -> dict[ClientKey, int | None]:
    """Return mostly addresses, some IPv6 /64 and a few /24, and when their bans end."""
    source = random.Random(1)
    keys = [make_key(source.randbytes(4), 32) for _ in range(ENTRIES * 9 // 10)]
    keys += [make_key(source.randbytes(16), 64) for _ in range(ENTRIES // 10)]
    keys += [make_key(source.randbytes(4), 24) for _ in range(ENTRIES // 1000)]
    return dict.fromkeys(keys, NOW_S + 3600)


def more_clients() -> list[ClientKey]:
    """Return clients for one change each."""
    source = random.Random(2)
    return [make_key(source.randbytes(4), 32) for _ in range(ONE_BY_ONE)]


def seconds(work: Callable[[], object]) -> float:
    """Return how long *work* takes."""
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def bare(command: Command) -> float:
    """Return how long the tool takes by itself, its output thrown away."""
    return seconds(
        lambda: subprocess.run(command.argv, input=command.stdin, stdout=subprocess.DEVNULL, check=True)
    )


def peak_kb() -> int:
    """Return the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
