# SPDX-License-Identifier: ISC
"""
How many strikes of other nodes one node folds while it answers a Postfix, and what its answers take meanwhile.

The real daemon and a real store; strikes come from a process that seals and adds them as nodes do. Needs root and
Debian's redis-tools; without them it says so on stderr and prints nothing. Prints one JSON object a line.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.cluster_publisher import Publisher, marks
from tests.bench.enforcement import resident_mb
from tests.bench.figure import show
from tests.bench.paced_load import PacedLoad, percentile
from tests.real.debian_root import RootUnavailableError
from tests.real.farm import POLICY_PORT, Farm, Node
from tests.real.polling import wait_until
from tests.real.store import REASON, find_redis

STRIKES = 400_000
RATE = 20_000  # strikes a second
BACKLOG = 200_000  # strikes that wait for a node that comes back
ANSWERS = 2_000  # a second
CALM_S = 5.0
PATIENCE_S = 120.0


def has_folded(node: Node, series: int) -> bool:
    """Return whether the node has folded all of a series; status would hold up the answers that are measured."""
    return all(map(node.refuses, marks(series)))


def answers(node: Node, seconds: float) -> PacedLoad:
    """Return a load of policy requests on the node."""
    with node.network.entered():
        return PacedLoad(POLICY_PORT, ANSWERS, seconds)


def show_answers(name: str, latencies_ms: list[float], calm_ms: list[float] | None = None) -> None:
    """Print what answers took, in relation to a calm time."""
    for what, part in (("median", 0.5), ("p99", 0.99), ("p999", 0.999), ("longest", 1.0)):
        ceiling = percentile(calm_ms, part) if calm_ms else None
        show(f"{name}_{what}", percentile(latencies_ms, part), "ms", ceiling)


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(farm: Farm) -> None:
    """Measure one node."""
    node = farm.add().start()
    farm.wait_until_current()
    with answers(node, CALM_S) as load:
        calm_ms = load.latencies_ms()
    show_answers("cluster_answer_calm", calm_ms)

    with Publisher(str(farm.store.path), farm.secret, RATE, STRIKES, 1) as publisher:
        parts = {"engine": node.engine_pid(), "courier": node.cluster()["courier"], "store": farm.store.pid}
        used_s = {name: cpu_s(pid) for name, pid in parts.items()}
        began_s = time.perf_counter()
        with answers(node, STRIKES / RATE) as load:
            publisher.speak()
            said_rate = publisher.wait()
            wait_until(lambda: has_folded(node, 1), "all is folded", PATIENCE_S)
            took_s = time.perf_counter() - began_s
            latencies_ms = load.latencies_ms()
    for name, pid in parts.items():
        show(f"cluster_cpu_{name}", 1e6 * (cpu_s(pid) - used_s[name]) / STRIKES, "us/strike")
    show("cluster_fold_rate", STRIKES / took_s, "1/s", said_rate)
    show_answers("cluster_answer_while_folding", latencies_ms, calm_ms)
    show("cluster_engine_resident", resident_mb(node.engine_pid()), "MB")


def measure_backlog(farm: Farm) -> None:
    """Measure a node that comes back and has much to catch up with."""
    node = farm.nodes[0]
    farm.cut(node)
    with Publisher(str(farm.store.path), farm.secret, 10**9, BACKLOG, 2) as publisher:
        publisher.speak()
        publisher.wait()
    with answers(node, 10.0) as load:
        farm.mend(node)
        began_s = time.perf_counter()
        wait_until(lambda: has_folded(node, 2), "all is folded", PATIENCE_S)
        took_s = time.perf_counter() - began_s
        latencies_ms = load.latencies_ms()
    show("cluster_ledger_dropped", node.status()["ledger"]["dropped_strikes"], "strikes")
    show("cluster_backlog_rate", BACKLOG / took_s, "1/s")
    show_answers("cluster_answer_while_catching_up", latencies_ms)


def main() -> None:
    """Measure."""
    try:
        program = None if REASON else find_redis()
    except RootUnavailableError as error:
        program = None
        print(f"cluster_rate: {error}", file=sys.stderr)
    if program is None:
        print(f"cluster_rate: {REASON}", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder, Farm(Path(folder, "farm"), program) as farm:
        measure(farm)
        measure_backlog(farm)


if __name__ == "__main__":
    main()
