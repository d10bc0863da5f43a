# SPDX-License-Identifier: ISC
"""What happens to a farm when its store or the way there is in trouble: each node goes on alone, and nothing is lost."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real.farm import Farm, Node
from tests.real.hindrance import NONSENSE, nonsense, slow
from tests.real.polling import wait_until
from tests.real.store import REASON, require

pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(REASON), reason=REASON)]

NODES = 3
COURIER_MB = 200  # a courier that somebody feeds nonsense must not grow

Trouble = Callable[[Farm], contextlib.AbstractContextManager[None]]


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Provide a farm; each test leaves all nodes in agreement."""
    with Farm(tmp_path_factory.mktemp("farm"), require("redis")) as farm:
        yield farm.start(NODES)


@contextlib.contextmanager
def killed(farm: Farm) -> Iterator[None]:
    """Kill the store; it comes back empty."""
    farm.store.kill()
    yield
    farm.store.start()


@contextlib.contextmanager
def emptied(farm: Farm) -> Iterator[None]:
    """Empty the store while it runs."""
    farm.store.ask("FLUSHALL")
    yield


@contextlib.contextmanager
def hung(farm: Farm) -> Iterator[None]:
    """Let the store do nothing."""
    farm.store.hang()
    try:
        yield
    finally:
        farm.store.resume()


@contextlib.contextmanager
def full(farm: Farm) -> Iterator[None]:
    """Let the store take nothing more."""
    farm.store.ask("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1")
    yield
    farm.store.ask("CONFIG", "SET", "maxmemory", "0")


@contextlib.contextmanager
def read_only(farm: Farm) -> Iterator[None]:
    """Let somebody else make the store another's replica."""
    farm.store.ask("REPLICAOF", "127.0.0.1", "1")
    yield
    farm.store.ask("REPLICAOF", "NO", "ONE")


@contextlib.contextmanager
def wrong_type(farm: Farm) -> Iterator[None]:
    """Let somebody else use the names of our streams."""
    names = farm.store.ask("KEYS", "*:stream")
    for name in names:
        farm.store.ask("SET", name, "taken")
    yield
    farm.store.ask("DEL", *names)


TROUBLES: dict[str, Trouble] = {
    "killed": killed,
    "hung": hung,
    "full": full,
    "read-only": read_only,
    "wrong type": wrong_type,
}


def says_so(node: Node) -> bool:
    """Return whether status says that a store is not well, and why."""
    return any(not store["ok"] and store["problem"] for store in node.cluster()["stores"])


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_nodes_go_on_alone_and_lose_nothing(farm: Farm, trouble: Trouble) -> None:
    """Without the store each node refuses whom it knows and counts on; with it again all know what each has seen."""
    known, spread, *alone = (farm.client() for _ in range(NODES + 2))
    farm.nodes[0].fail(known, 5)
    farm.wait_until_banned(known)
    with trouble(farm):
        for node, client in zip(farm.nodes, alone, strict=True):
            node.fail(client, 5)
            node.fail(spread, 2)
            node.wait_until_banned(client)
            assert node.refuses(known)
            assert not node.refuses(spread)
        wait_until(lambda: all(map(says_so, farm.nodes)), "all say so")
        for node in farm.nodes:
            assert "this node judges alone" in node.run("status")

    farm.wait_until_banned(known, spread, *alone)
    farm.wait_until_agreed()
    farm.wait_until_current()
    assert [node.known_strikes(spread)[0] for node in farm.nodes] == [2 * NODES] * NODES
    assert [node.cluster()["dropped"] for node in farm.nodes] == [0] * NODES


def test_what_a_node_says_while_the_store_is_empty_is_not_lost(farm: Farm) -> None:
    """A store that loses all it has is filled again by the nodes: whoever comes then has all bans."""
    known, later = farm.client(), farm.client()
    farm.nodes[0].fail(known, 5)
    farm.wait_until_banned(known)
    with emptied(farm):
        farm.nodes[1].fail(later, 5)
        farm.wait_until_banned(later)
    newcomer = farm.add().start()
    newcomer.wait_until_banned(known, later)
    farm.wait_until_current()
    farm.remove(newcomer)


def test_a_node_restarted_without_a_store_tells_its_bans_later(farm: Farm) -> None:
    """Bans that were decided before a restart are told when the store is back, those that were lifted are not."""
    banned, lifted = farm.client(), farm.client()
    node = farm.nodes[2]
    with killed(farm):
        for client in (banned, lifted):
            node.fail(client, 5)
            node.wait_until_banned(client)
        node.run("lift", lifted)
        node.stop()
        node.start()
        assert node.refuses(banned)

    farm.wait_until_banned(banned)
    farm.wait_until_current()
    assert not any(other.refuses(lifted) for other in farm.nodes)
    farm.nodes[0].run(
        "lift", banned
    )  # with its strikes, which others never heard of: what waits does not outlive an engine, but for bans
    farm.wait_until_agreed()


def test_a_slow_store_only_makes_peers_late(farm: Farm) -> None:
    """With 0.2 s to the store a ban is in force at once where it is decided, and later everywhere."""
    spread, alone = farm.client(), farm.client()
    with slow(farm.store, farm.network):
        farm.nodes[0].fail(alone, 5)
        farm.nodes[0].wait_until_banned(alone)
        for node in farm.nodes:
            node.fail(spread, 2)
        farm.wait_until_banned(spread, alone)
        farm.wait_until_agreed()
    farm.wait_until_current()
    farm.wait_until_agreed()


def test_nonsense_from_the_store_harms_nobody(farm: Farm) -> None:
    """Whatever answers at the store's port, nodes say that something is wrong, do not grow, and go on."""
    alone = [farm.client() for _ in NONSENSE]
    node = farm.nodes[0]
    for client, said in zip(alone, NONSENSE.values(), strict=True):
        with nonsense(farm.store, farm.network, said):
            node.fail(client, 5)
            node.wait_until_banned(client)
            wait_until(lambda: all(map(says_so, farm.nodes)), f"all say so of {said[:20]!r}")
            for one in farm.nodes:
                assert resident_mb(one) < COURIER_MB
        farm.wait_until_current()

    farm.wait_until_banned(*alone)
    farm.wait_until_agreed()


def resident_mb(node: Node) -> float:
    """Return the resident memory of its courier; 0 while it is being replaced."""
    try:
        status = Path(f"/proc/{node.pid_of('filter_ban.courier')}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024
    except (LookupError, OSError, IndexError):
        return 0.0


def test_a_partition_heals(farm: Farm) -> None:
    """Of a node that was cut off under attack and of those that were not, all know the same, and ban as if nothing was."""
    known, there, here, both = (farm.client() for _ in range(4))
    farm.nodes[0].fail(known, 5)
    farm.wait_until_banned(known)
    *others, cut_off = farm.nodes

    farm.cut(cut_off)
    cut_off.fail(there, 5)
    others[0].fail(here, 5)
    for node in farm.nodes:
        node.fail(both, 2)
    cut_off.wait_until_banned(known, there)
    for other in others:
        other.wait_until_banned(known, here)
    assert not cut_off.refuses(here)
    assert not any(node.refuses(both) for node in farm.nodes)
    wait_until(lambda: says_so(cut_off), "it says so")
    farm.mend(cut_off)

    farm.wait_until_banned(there, here, both)
    farm.wait_until_agreed()
    farm.wait_until_current()
    assert [node.known_strikes(both)[0] for node in farm.nodes] == [2 * NODES] * NODES
