# SPDX-License-Identifier: ISC
"""How fast nftables is with 100,000 entries, from Python and bare: one JSON object a line. Needs root and nft."""

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
from filter_ban.firewall import Change, Command, DesiredTable, Nftables, Runner
from tests.bench.figure import show

ENTRIES = 100_000
ONE_BY_ONE = 100
NOW_S = 1_800_000_000
FLUSH = Command(("nft", "flush", "ruleset"))
_CLONE_NEWNET = 0x40000000


def main() -> None:
    """Measure all, in a network namespace that ends with this process."""
    if os.geteuid() != 0 or ctypes.CDLL(None).unshare(_CLONE_NEWNET) != 0:
        sys.exit("firewall: needs root, for a network namespace of its own")
    before_kb = peak_kb()
    backend, run = Nftables(), Runner()
    table = DesiredTable(backend, run)
    table.replace(clients())

    load_s = seconds(lambda: table.sync(NOW_S))
    ones = [seconds(partial(table.apply, {key: NOW_S + 900}, [], NOW_S)) for key in more_clients()]
    idle = [seconds(lambda: table.sync(NOW_S)) for _ in range(3)]
    reconcile_s = seconds(partial(table.reconcile, table.read(), NOW_S))
    peak_mb = (peak_kb() - before_kb) / 1024

    (bare_list,) = backend.list_commands()
    bare_list_s = statistics.median(bare(bare_list) for _ in range(3))
    run(FLUSH)
    for command in backend.setup_commands([(32, 32), (32, 24), (128, 64)]):
        run(command)
    (bare_load,) = backend.change_commands(Change(adds=[(key, 960) for key in clients()]))
    bare_load_s = bare(bare_load)
    (bare_one,) = backend.change_commands(Change(adds=[(next(iter(more_clients())), 960)]))
    bare_one_s = statistics.median(bare(bare_one) for _ in range(ONE_BY_ONE))

    show("firewall_load_100000", 1e3 * load_s, "ms", 1e3 * bare_load_s)
    show("firewall_one_more_median", 1e3 * statistics.median(ones), "ms", 1e3 * bare_one_s)
    show("firewall_one_more_p99", 1e3 * sorted(ones)[int(len(ones) * 0.99)], "ms")
    show("firewall_sync_nothing_to_do", 1e3 * statistics.median(idle), "ms", 1e3 * bare_list_s)
    show("firewall_reconcile", 1e3 * reconcile_s, "ms")
    show("firewall_memory_peak_growth", peak_mb, "MB")


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
