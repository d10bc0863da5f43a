# SPDX-License-Identifier: ISC
"""
Five real daemons, each with its kernel's nftables, and a real store: how soon all know what one has seen.

The ceiling is a bare XADD and an XREAD that waits for it, in the same networks and in the same run. Needs root,
nftables and Debian's redis-tools; without them it says so on stderr and prints nothing. Prints one JSON object a line.
"""

import contextlib
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from redis import Redis

from filter_ban.cluster.shards import stream_name
from filter_ban.courier.snapshots import lock_name
from postfix_policy import Dunno
from postfix_policy.testing import FakeSession, FakeSmtpd
from tests.bench.cluster_publisher import PREFIX
from tests.bench.enforcement import KernelWatch, ban_many
from tests.bench.figure import show
from tests.bench.paced_load import PacedLoad, percentile
from tests.filter_ban.daemon.process import wait_for
from tests.real.debian_root import RootUnavailableError
from tests.real.farm import POLICY_PORT, STORE, Farm, Node
from tests.real.hindrance import NONSENSE, nonsense, slow
from tests.real.store import PORT, REASON, StoreProgram, find_redis

TRIPS = 1000
BANS = 200
CUT_S = 60.0
ATTACKED = 100  # clients of each side, and of both
ATTACK_PAUSE_S = 0.01
ANSWERS = 2_000  # a second
ANSWERS_S = 5.0
MANY = 100_000
QUICK_SNAPSHOT = 'snapshot = "10s"\n'


def show_times(name: str, taken_ms: list[float], ceiling_ms: list[float] | None = None) -> None:
    """Print median, 99th percentile and the longest."""
    for what, part in (("median", 0.5), ("p99", 0.99), ("longest", 1.0)):
        ceiling = percentile(sorted(ceiling_ms), part) if ceiling_ms else None
        show(f"{name}_{what}", percentile(sorted(taken_ms), part), "ms", ceiling)


# --- from a failure to refusal everywhere


def round_trips(farm: Farm) -> list[float]:
    """Return the milliseconds from XADD at one node to its arrival at another, without us."""
    speaker, listener = (_connected(node) for node in farm.nodes[:2])
    arrived_s: list[float] = []
    arrived = threading.Semaphore(0)

    def listen() -> None:
        last: bytes | str = "$"
        for number in range(TRIPS):
            if number == 0:
                ready.set()
            read: Any = listener.xread({"bare": last}, count=1, block=20_000)
            last = read[0][1][0][0]
            arrived_s.append(time.perf_counter())
            arrived.release()

    ready = threading.Event()
    thread = threading.Thread(target=listen)
    thread.start()
    ready.wait()
    time.sleep(0.1)  # until it waits in the store
    taken_ms = []
    for _ in range(TRIPS):
        began_s = time.perf_counter()
        speaker.xadd("bare", {"m": bytes(200), "t": bytes(16)})
        arrived.acquire()
        taken_ms.append(1e3 * (arrived_s[-1] - began_s))
    thread.join()
    farm.store.ask("DEL", "bare")
    speaker.close()
    listener.close()
    return taken_ms


def _connected(node: Node) -> Redis:
    with node.network.entered():
        client = Redis(host=STORE, port=PORT)
        client.ping()
    return client


def bans(farm: Farm, *, settled: bool) -> tuple[list[float], list[float]]:
    """
    Return the milliseconds from the last of five failures, each at another node, to refusal everywhere, and by all kernels.

    Args:
        farm: Five nodes.
        settled: Whether all know of the first four before the last; else all five come at once.

    """
    refused_ms, dropped_ms = [], []
    with contextlib.ExitStack() as stack:
        smtpds = [stack.enter_context(FakeSmtpd(f"{node.folder}/policy")) for node in farm.nodes]
        watches = []
        for node in farm.nodes:
            with node.network.entered():
                watches.append(KernelWatch())
            stack.callback(watches[-1].close)
        for number in range(BANS):
            client = farm.client()
            last = farm.nodes[number % len(farm.nodes)]
            for node in farm.nodes:
                if node is not last:
                    node.fail(client)
            if settled:
                wait_for(lambda: last.known_strikes(client)[0] == 4, "four are known")  # noqa: B023 - called here
            began_s = time.perf_counter()
            last.fail(client)
            waiting = list(smtpds)
            while waiting:
                waiting = [smtpd for smtpd in waiting if _allows(smtpd, client)]
            refused_ms.append(1e3 * (time.perf_counter() - began_s))
            dropped_ms.append(1e3 * (max(watch.wait_for(client) for watch in watches) - began_s))
    return refused_ms, dropped_ms


def _allows(smtpd: FakeSmtpd, client: str) -> bool:
    return isinstance(smtpd.ask(FakeSession(client).connect()), Dunno)


# --- cut off


def partition(farm: Farm) -> None:
    """Cut one node off under attack; measure until all know the same."""
    *others, cut_off = farm.nodes
    there, here, both = ([farm.client() for _ in range(ATTACKED)] for _ in range(3))
    farm.cut(cut_off)
    end_s = time.monotonic() + CUT_S
    number = 0
    while time.monotonic() < end_s:
        cut_off.fail((there, both)[number % 2][number // 2 % ATTACKED])
        others[number % len(others)].fail((here, both)[number % 2][number // 2 % ATTACKED])
        number += 1
        time.sleep(ATTACK_PAUSE_S)
    show("cluster_partition_failures", 2 * number, "failures")
    farm.mend(cut_off)
    began_s = time.perf_counter()
    wait_for(lambda: all(map(Node.is_current, farm.nodes)), "all are current")
    show("cluster_partition_current_after", time.perf_counter() - began_s, "s")
    wait_for(lambda: _same([node.known_bans() for node in farm.nodes]), "all have the same bans")
    show("cluster_partition_same_bans_after", time.perf_counter() - began_s, "s")
    wait_for(lambda: _same([node.all_strikes() for node in farm.nodes]), "all have the same strikes")
    show("cluster_partition_same_strikes_after", time.perf_counter() - began_s, "s")
    show("cluster_partition_strikes", len(cut_off.all_strikes()), "strikes")
    show("cluster_partition_bans", len(cut_off.known_bans()), "bans")


def _same(values: list[object]) -> bool:
    return all(value == values[0] for value in values)


# --- answers while the store is in trouble


@contextlib.contextmanager
def attacked(farm: Farm) -> Iterator[None]:
    """Let clients fail once each at all nodes, so that there is something to tell; and no bans, which take their time."""
    stopped = threading.Event()

    def attack() -> None:
        number = 0
        while not stopped.wait(ATTACK_PAUSE_S):
            farm.nodes[number % len(farm.nodes)].fail(farm.client())
            number += 1

    thread = threading.Thread(target=attack)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@contextlib.contextmanager
def killed(farm: Farm) -> Iterator[None]:
    """Kill the store; it comes back empty."""
    farm.store.kill()
    yield
    farm.store.start()


@contextlib.contextmanager
def hung(farm: Farm) -> Iterator[None]:
    """Let the store do nothing."""
    farm.store.hang()
    yield
    farm.store.resume()


@contextlib.contextmanager
def full(farm: Farm) -> Iterator[None]:
    """Let the store take nothing more."""
    farm.store.ask("CONFIG", "SET", "maxmemory", "1")
    yield
    farm.store.ask("CONFIG", "SET", "maxmemory", "0")


def answers(farm: Farm) -> list[float]:
    """Return what answers of the first node take."""
    node = farm.nodes[0]
    with node.network.entered(), PacedLoad(POLICY_PORT, ANSWERS, ANSWERS_S) as load:
        return load.latencies_ms()


TROUBLES: dict[str, Callable[[Farm], contextlib.AbstractContextManager[None]]] = {
    "killed": killed,
    "hung": hung,
    "full": full,
    "slow": lambda farm: slow(farm.store, farm.network),
    "not_the_protocol": lambda farm: nonsense(farm.store, farm.network, NONSENSE["not the protocol"]),
    "endless_line": lambda farm: nonsense(farm.store, farm.network, NONSENSE["a line without end"]),
}


def troubles(farm: Farm) -> None:
    """Measure answers with and without each trouble, in turns; and how soon all agree after it."""
    for name, trouble in TROUBLES.items():
        with attacked(farm):
            calm_ms = answers(farm)
            with trouble(farm):
                troubled_ms = answers(farm)
        began_s = time.perf_counter()
        wait_for(lambda: _same([node.known_bans() for node in farm.nodes]), "all have the same bans")
        agreed_s = time.perf_counter() - began_s
        show_times(f"cluster_answer_{name}", troubled_ms, calm_ms)
        show(f"cluster_agreed_after_{name}", agreed_s, "s")
        wait_for(lambda: all(map(Node.is_current, farm.nodes)), "all are current")


# --- joining


def join(farm: Farm) -> None:
    """Measure how soon a new node has what the others have."""
    farm.start(2, QUICK_SNAPSHOT)
    ban_many(farm.nodes[0])
    banned_s = time.time()
    farm.store.ask("DEL", lock_name(PREFIX, 0))  # or nobody would compose another snapshot within a minute
    wait_for(lambda: _active(farm.nodes[1]) >= MANY, "a peer has them all")
    show("cluster_100000_at_a_peer_after", time.time() - banned_s, "s")
    wait_for(
        lambda: max((node.cluster()["snapshot"] or 0 for node in farm.nodes), default=0) > banned_s,
        "there is a snapshot",
    )
    for shard in range(4):
        farm.store.ask("XTRIM", stream_name(PREFIX, shard), "MAXLEN", "0")
    began_s = time.perf_counter()
    newcomer = farm.add(cluster=QUICK_SNAPSHOT).start()
    show("cluster_join_first_answer_after", time.perf_counter() - began_s, "s")
    wait_for(lambda: _active(newcomer) >= MANY, "it has them all")
    show("cluster_join_100000_after", time.perf_counter() - began_s, "s")
    wait_for(newcomer.is_current, "it is current")
    show("cluster_join_current_after", time.perf_counter() - began_s, "s")
    wait_for(lambda: newcomer.status()["firewall"]["in_force"] >= MANY, "all are in force")
    show("cluster_join_100000_in_force_after", time.perf_counter() - began_s, "s")


def _active(node: Node) -> int:
    return int(node.status()["bans"])


def measure(program: StoreProgram, folder: Path) -> None:
    """Measure all."""
    with Farm(folder / "farm", program) as farm:
        farm.start()
        bare_ms = round_trips(farm)
        show_times("cluster_bare_round_trip", bare_ms)
        for name, settled in (("one_by_one", True), ("at_once", False)):
            refused_ms, dropped_ms = bans(farm, settled=settled)
            show_times(f"cluster_refused_everywhere_{name}", refused_ms, bare_ms)
            show_times(f"cluster_dropped_everywhere_{name}", dropped_ms)
        troubles(farm)
        partition(farm)
    with Farm(folder / "other", program) as farm:
        join(farm)


def main() -> None:
    """Measure, where that is possible."""
    reason = REASON
    if not reason:
        try:
            program = find_redis()
        except RootUnavailableError as error:
            reason = str(error)
    if reason:
        print(f"cluster_farm: {reason}", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(program, Path(folder))


if __name__ == "__main__":
    main()
