# SPDX-License-Identifier: ISC
"""A farm of real daemons whose clocks are minutes apart: nothing is other than with good ones, and status says so."""

from collections.abc import Iterator

import pytest

from filter_ban.client import parse_network
from filter_ban.ledger import open_reader
from tests.real.farm import AGREE_S, SHARDS, Farm, Node
from tests.real.polling import wait_until
from tests.real.store import REASON, require

pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(REASON), reason=REASON)]

AHEAD_S = 240.45  # with BEHIND_S, what makes up for one and for the other is not what makes up for both
BEHIND_S = 180.35
OFF_S = 2.0  # it is made up for in whole seconds, and bans begin and end with a second
LOOSE_S = 30.0  # kernels count from when they were told, and are asked one after the other
OLD_S = (
    660.0  # beyond a window of ten minutes; within it for who takes the time of the clock ahead for his own
)
YOUNG_S = 480.0  # within that window; beyond it for who takes the time of the clock behind for his own


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Provide a farm of three: a good clock, one that is ahead and one that is behind. Each test has clients of its own."""
    with Farm(tmp_path_factory.mktemp("farm"), require("redis")) as farm:
        for ahead_s in (0.0, AHEAD_S, -BEHIND_S):
            farm.add(ahead_s=ahead_s).start()
        farm.wait_until_current()
        yield farm


def are_close(times_s: list[float]) -> bool:
    """Return whether these are one time, as far as clocks that are wrong can tell."""
    return max(times_s) - min(times_s) < OFF_S


def is_one(farm: Farm, client: str) -> bool:
    """Return whether all nodes have the same ban of *client*, by a good clock."""
    bans = [node.bans().get(client) for node in farm.nodes]
    known = [(ban, node.ahead_s) for ban, node in zip(bans, farm.nodes, strict=True) if ban is not None]
    return (
        len(known) == len(farm.nodes)
        and are_close([ban["start"] - ahead_s for ban, ahead_s in known])
        and are_close([ban["end"] - ahead_s for ban, ahead_s in known])
        and len({(ban["reference"], ban["rule"], ban["offence"]) for ban, _ in known}) == 1
    )


def recorded(node: Node, client: str) -> int:
    """Return how many bans of *client*, past and present, the ledger of *node* has, without those that were lifted."""
    node.ask("flush")
    with open_reader(node.ledger) as ledger:
        return sum(record.lifted_s is None for record in ledger.bans_of(parse_network(client)))


def wait_until_one(farm: Farm, client: str) -> None:
    """Wait until all nodes and kernels have the same ban of *client*, the only one that any of them has had."""
    farm.wait_until_banned(client)
    wait_until(lambda: is_one(farm, client), "all have the same ban", AGREE_S)
    wait_until(lambda: all(recorded(node, client) for node in farm.nodes), "it is in all ledgers", AGREE_S)
    assert [recorded(node, client) for node in farm.nodes] == [1] * len(farm.nodes)
    left_s = [node.kernel_left_s()[client] for node in farm.nodes]
    assert max(left_s) - min(left_s) < LOOSE_S


def strikes_of(farm: Farm, client: str) -> list[float]:
    """Return what the strikes of *client* weigh at each node."""
    return [node.known_strikes(client)[0] for node in farm.nodes]


def wait_until_struck(farm: Farm, client: str, times: int) -> None:
    """Wait until all nodes know of so many strikes of *client*, each of them at one time."""
    wait_until(lambda: strikes_of(farm, client) == [times] * len(farm.nodes), f"{times} strikes", AGREE_S)
    at_s = [[event[0] - node.ahead_s for event in node.known_strikes(client)[1]] for node in farm.nodes]
    assert all(are_close(list(same)) for same in zip(*at_s, strict=True)), at_s


def wait_until_free(farm: Farm, client: str) -> None:
    """Wait until no node refuses *client*, no kernel drops it, and no strike stands."""
    wait_until(lambda: not any(strikes_of(farm, client)), "no strike stands", AGREE_S)
    wait_until(lambda: not any(client in node.kernel() for node in farm.nodes), "no kernel drops it", AGREE_S)
    assert not any(node.refuses(client) for node in farm.nodes)


# --- what mail servers see


@pytest.mark.parametrize("first", range(3))
def test_failures_spread_over_the_nodes_are_one_ban(farm: Farm, first: int) -> None:
    """Whichever clocks the failures are seen by, all nodes have one ban, with one reference and one end."""
    client = farm.client()
    for number, node in enumerate((*farm.nodes[first:], *farm.nodes[:first])):
        node.fail(client, 2 if number else 1)

    wait_until_one(farm, client)
    wait_until_struck(farm, client, 5)


def test_a_failure_is_as_old_as_it_is(farm: Farm) -> None:
    """What its own node's clock says is older than the window counts nowhere, and what is younger everywhere."""
    good, *wrong = farm.nodes
    old, young = farm.client(), farm.client()
    for node in wrong:
        node.fail(old, 2, ago_s=OLD_S)
        node.fail(young, 2, ago_s=YOUNG_S)
    wait_until_struck(farm, old, 4)
    wait_until_struck(farm, young, 4)

    good.fail(young)
    for node in farm.nodes:
        node.fail(old)

    wait_until_one(farm, young)
    wait_until_struck(farm, old, 7)
    assert not any(node.refuses(old) for node in farm.nodes)
    for node in wrong:
        node.fail(old)
    wait_until_one(farm, old)


@pytest.mark.parametrize(("seen_by", "told_by"), [(1, 2), (2, 1)])
def test_a_login_voids_what_was_before_it(farm: Farm, seen_by: int, told_by: int) -> None:
    """A login seen by one clock voids the failures that another saw before it, and none after it."""
    client = farm.client()
    for secret in ("typo", "another"):
        farm.nodes[seen_by].login(client, "carol@example.org", secret, "fail")
    wait_until_struck(farm, client, 2)

    farm.nodes[told_by].login(client, "carol@example.org", "right")
    wait_until(lambda: not any(strikes_of(farm, client)), "all forgive", AGREE_S)

    farm.nodes[seen_by].fail(client)
    wait_until_struck(farm, client, 1)


# --- what the operator is told, and says


def test_the_operator_is_told_whose_clock_is_off(farm: Farm) -> None:
    """Each node says how far the clocks of others are from its own, and so does the doctor of the store's."""
    good, ahead, behind = farm.nodes
    for node, told in (
        (good, ("4m ahead", "3m behind")),
        (ahead, ("7m behind", "its clock is 4m behind")),
        (behind, ("7m ahead", "its clock is 3m ahead")),
    ):
        for words in told:
            wait_until(lambda node=node, words=words: words in node.run("status"), words, AGREE_S)  # type: ignore[misc]  # mypy 17470

    assert "its clock is 240 s behind ours" in ahead.run("doctor", "cluster", check=False)


@pytest.mark.parametrize(("banned_by", "lifted_by"), [(1, 2), (2, 1)])
def test_a_ban_by_hand_can_be_lifted_at_once(farm: Farm, banned_by: int, lifted_by: int) -> None:
    """A ban typed at one node is lifted by another as soon as that one knows of it, whatever their clocks say."""
    client = farm.client()
    farm.nodes[banned_by].run("ban", client, "--for", "1h")
    wait_until(lambda: farm.nodes[lifted_by].refuses(client), "it knows of the ban", AGREE_S)

    farm.nodes[lifted_by].run("lift", client)

    wait_until_free(farm, client)


def test_a_lift_holds(farm: Farm) -> None:
    """A lift typed at the node behind ends at once what the node ahead has decided, also for the time after a restart."""
    _, ahead, behind = farm.nodes
    client = farm.client()
    ahead.fail(client, 5)
    wait_until(lambda: behind.refuses(client), "it knows of the ban", AGREE_S)

    behind.run("lift", client)
    wait_until_free(farm, client)
    ahead.stop()
    ahead.start()
    farm.wait_until_current()

    wait_until_free(farm, client)
    ahead.fail(client, 4)
    wait_until_struck(farm, client, 4)
    assert not any(node.refuses(client) for node in farm.nodes)
    behind.fail(client)
    wait_until_one(farm, client)


# --- nodes come and go


def test_nodes_that_are_restarted_have_the_same_bans(farm: Farm) -> None:
    """What is read back from a ledger, and told after a start, is what it was, whichever node goes first."""
    clients = [farm.client() for _ in farm.nodes]
    for node, client in zip(farm.nodes, clients, strict=True):
        node.fail(client, 5)
    for client in clients:
        wait_until_one(farm, client)
    before = [node.known_bans() for node in farm.nodes]

    for node in farm.nodes:
        node.stop()
        node.start()
        farm.wait_until_current()

    for client in clients:
        wait_until_one(farm, client)
    assert [node.known_bans() for node in farm.nodes] == before
    assert all(node.kernel() == farm.nodes[0].kernel() for node in farm.nodes)


def test_what_happens_before_the_store_is_there_has_its_time(farm: Farm) -> None:
    """A node that starts without the store does not know how wrong its clock is; others learn it with what it tells."""
    good, *wrong = farm.nodes
    clients = [farm.client() for _ in wrong]
    farm.store.kill()
    for node, client in zip(wrong, clients, strict=True):
        node.stop()
        node.start()
        node.fail(client, 5)
        node.wait_until_banned(client)
    farm.store.start()

    for client in clients:
        wait_until_one(farm, client)
        wait_until_struck(farm, client, 5)
    farm.wait_until_current()
    assert [node.cluster()["malformed"] for node in farm.nodes] == [0, 0, 0]
    assert not good.refuses(farm.client())


def test_newcomers_have_the_same_bans(farm: Farm) -> None:
    """Nodes that join where only a snapshot tells of the bans have them as the others do."""
    clients = [farm.client() for _ in farm.nodes]
    for node, client in zip(farm.nodes, clients, strict=True):
        node.fail(client, 5)
    for client in clients:
        wait_until_one(farm, client)
    farm.store.ask("FLUSHALL")
    wait_until(
        lambda: len(farm.store.ask("KEYS", "*:snapshot")) == SHARDS, "there is a new snapshot", AGREE_S
    )
    farm.wait_until_current()
    for stream in farm.store.ask("KEYS", "*:stream"):
        farm.store.ask("XTRIM", stream, "MAXLEN", 0)

    newcomers = [farm.add(ahead_s=ahead_s).start() for ahead_s in (120.55, -300.45)]

    for client in clients:
        wait_until_one(farm, client)
    for newcomer in newcomers:
        farm.remove(newcomer)
