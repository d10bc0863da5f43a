# SPDX-License-Identifier: ISC
"""A farm of five real daemons, each with its kernel's nftables, and a real Valkey or Redis: one memory."""

import time
from collections.abc import Iterator
from functools import partial

import pytest

from filter_ban.client import parse_network
from filter_ban.cluster.keys import ClusterKeys
from filter_ban.cluster.message import Header, pack, read_header
from filter_ban.cluster.shards import shard_of, stream_name
from tests.real.farm import SHARDS, Farm, Node
from tests.real.polling import wait_until
from tests.real.store import PROGRAMS, REASON, require

pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(REASON), reason=REASON)]

PREFIX = "filter-ban"
SPARED = "198.18.77.7"
MANY = 5000


@pytest.fixture(scope="module", params=PROGRAMS)
def farm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """Provide a farm of five; each test has clients of its own, and leaves all nodes in agreement."""
    with Farm(tmp_path_factory.mktemp(request.param), require(request.param)) as farm:
        yield farm.start()


def stream_of(client: str) -> str:
    """Return the stream that tells of *client*."""
    return stream_name(PREFIX, shard_of(parse_network(client), SHARDS))


# --- what one node sees, all know


def test_failures_spread_over_the_nodes_ban_everywhere(farm: Farm) -> None:
    """Who fails once at each of five servers is refused by all and dropped by all kernels, and all tell the same of it."""
    clients = farm.client(), "2001:db8:77::9"
    for client in clients:
        for number, node in enumerate(farm.nodes):
            node.fail_imap(client) if number == 1 else node.fail(client)

    farm.wait_until_banned(*clients)
    farm.wait_until_agreed()

    for client in clients:
        strikes, events = farm.nodes[0].known_strikes(client)
        assert (strikes, len(events)) == (5, 5)
    assert {ban[3:7] for ban in farm.nodes[4].known_bans()} == {("5 in 10m", "5 strikes within 10m", 1, 5)}


def test_failures_at_one_node_are_known_to_all(farm: Farm) -> None:
    """Four failures at one server and one at another are five, and no earlier one is a ban."""
    client = farm.client()
    farm.nodes[0].fail(client, 4)
    farm.wait_until_agreed()
    assert farm.nodes[3].known_strikes(client)[0] == 4
    assert not any(node.refuses(client) for node in farm.nodes)

    farm.nodes[3].fail(client)

    farm.wait_until_banned(client)
    farm.wait_until_agreed()


def test_a_wrong_password_that_goes_around_counts_once(farm: Farm) -> None:
    """A phone with an old password that tries it at each server has failed once."""
    client = farm.client()
    for node in farm.nodes:
        node.login(client, "bob@example.org", "an-old-one", "fail")
        farm.wait_until_agreed()

    assert [node.known_strikes(client)[0] for node in farm.nodes] == [1] * 5


def test_a_login_at_one_node_forgives_at_all(farm: Farm) -> None:
    """Who mistypes at one server and logs in at another has no strikes left at any."""
    client = farm.client()
    for secret in ("typo", "another"):
        farm.nodes[0].login(client, "carol@example.org", secret, "fail")
    wait_until(lambda: farm.nodes[4].known_strikes(client)[0] == 2, "it is known")

    farm.nodes[4].login(client, "carol@example.org", "right")

    wait_until(lambda: not any(node.known_strikes(client)[0] for node in farm.nodes), "all forgive")


# --- what the operator says


def test_what_the_operator_says_holds_everywhere(farm: Farm) -> None:
    """A ban, a lift and an allowance that are given at one node hold at all, without a word more."""
    client = farm.client()
    first, last = farm.nodes[0], farm.nodes[4]

    first.run("ban", client, "--for", "1h")
    farm.wait_until_banned(client)
    last.run("lift", client)
    wait_until(lambda: not any(client in node.kernel() for node in farm.nodes), "no kernel drops it")
    assert not any(node.refuses(client) for node in farm.nodes)

    first.run("allow", client)
    wait_until(lambda: all(client in node.run("allow") for node in farm.nodes), "all let it in")
    last.fail(client, 6)
    assert not last.refuses(client)
    last.run("allow", "--remove", client)
    wait_until(lambda: not any(client in node.run("allow") for node in farm.nodes), "none does")
    farm.wait_until_agreed()


def test_what_is_said_here_holds_here_alone(farm: Farm) -> None:
    """With --here a ban is in force at one node, and lifted there alone; what follows is known to all."""
    client, marker = farm.client(), farm.client()
    first, *others = farm.nodes

    first.run("ban", client, "--here")
    farm.nodes[2].run("ban", marker)
    first.wait_until_banned(client)
    farm.wait_until_banned(marker)
    assert not any(node.refuses(client) for node in others)
    first.run("lift", client, "--here")

    first.run("lift", marker, "--here")
    assert not first.refuses(marker)
    assert all(node.refuses(marker) for node in others)
    first.run("lift", marker, "--everywhere", check=False)  # it says that this node had no such ban
    farm.wait_until_agreed()
    assert not any(node.refuses(marker) for node in farm.nodes)


# --- whom nodes believe


def test_forged_and_replayed_messages_are_refused_and_counted(farm: Farm) -> None:
    """Whoever can write to the store alone bans nobody, frees nobody and stops nothing; each try is counted."""
    victim, bot = farm.client(), farm.client()
    farm.nodes[0].fail(bot, 5)
    farm.wait_until_banned(bot)
    farm.wait_until_current()
    before = [node.cluster() for node in farm.nodes]
    stream, elsewhere = stream_of(victim), stream_of(bot)
    now_s = time.time()
    header = Header(node="mx99", started=int(now_s * 1000), first=1, count=1)
    ban = ["ban", victim, int(now_s), None, "by hand", "", 1, 0, "AAAAAAAA", 1, "mx99", now_s]
    message = pack(header, [ban])
    forgeries: list[dict[str, bytes]] = [
        {"m": message},
        {"m": message, "t": b""},
        {"m": message, "t": ClusterKeys(b"a guess").seal(stream, message)},
        {"m": message, "t": ClusterKeys(farm.secret).seal(f"{stream}0", message)},
        {"m": b"\xff" * 100, "t": bytes(16)},
        {"t": b"no message"},
        {"x": b"y"},
    ]

    for fields in forgeries:
        farm.store.ask("XADD", stream, "*", *(part for field in fields.items() for part in field))
    said = farm.store.ask("XRANGE", elsewhere, "-", "+")
    again = said[0][1], said[-1][1]
    for fields in again:
        farm.store.ask("XADD", elsewhere, "*", *(part for field in fields.items() for part in field))
    speakers = [read_header(fields[b"m"]).node for fields in again]

    def counts_them(node: Node, before: dict[str, int]) -> bool:
        now = node.cluster()
        forged, replayed = (int(now[what]) - before[what] for what in ("forged", "replayed"))
        others = [speaker for speaker in speakers if speaker != node.name]
        return (forged, replayed) == (len(forgeries), len(others))

    wait_until(lambda: all(map(counts_them, farm.nodes, before)), "each try is counted")
    for node in farm.nodes:
        assert not node.refuses(victim)
        assert node.refuses(bot)
        assert "refused as forged" in node.run("status")
    farm.nodes[1].fail(victim, 5)
    farm.wait_until_banned(victim)
    farm.wait_until_agreed()


def test_nobody_bans_whom_a_node_never_bans(farm: Farm) -> None:
    """Whoever is on a node's own list is neither refused nor dropped there, whatever the others say."""
    node = farm.add(never=(f"{SPARED}/32",)).start()
    farm.nodes[0].run("ban", SPARED)
    farm.nodes[1].fail(SPARED, 6)

    wait_until(lambda: node.cluster()["refused"], "the ban is refused")
    assert all(other.refuses(SPARED) for other in farm.nodes[:5])
    assert not node.refuses(SPARED)
    assert SPARED not in node.kernel()

    farm.remove(node)
    farm.nodes[0].run("lift", SPARED)
    farm.wait_until_agreed()


# --- nodes come and go


def test_a_new_node_has_all_bans(farm: Farm) -> None:
    """A node that comes later refuses whom the others refuse, with the same words, and so does its kernel."""
    bans = [f"10.{number >> 8}.{number & 255}.1" for number in range(MANY)]
    farm.nodes[0].ask("ban", clients=bans, length=3600, reason="many")
    wait_until(lambda: len(farm.nodes[1].bans()) >= MANY, "a peer has them all")

    node = farm.add().start()

    wait_until(lambda: len(node.bans()) >= MANY, "it has them all")
    wait_until(lambda: len(node.kernel()) >= MANY, "its kernel has them all")
    farm.wait_until_agreed()
    farm.nodes[0].ask("lift", clients=["10.0.0.0/8"])
    wait_until(lambda: len(node.bans()) < MANY, "they are lifted")
    farm.wait_until_agreed()
    farm.remove(node)


def test_a_node_that_dies_forgets_nothing(farm: Farm) -> None:
    """Engine and courier are replaced when they die, and know what was said meanwhile."""
    engine_died, courier_died = farm.client(), farm.client()
    node, *others = farm.nodes
    for client, part in ((engine_died, "filter_ban.daemon"), (courier_died, "filter_ban.courier")):
        node.fail(client, 2)
        farm.wait_until_agreed()
        node.kill_part(part)
        for other in others[:3]:
            other.fail(client)

        wait_until(partial(_refuses, node, client), f"{node.name} refuses {client}")
        farm.wait_until_banned(client)
        farm.wait_until_agreed()


def _refuses(node: Node, client: str) -> bool:
    try:
        return node.refuses(client)
    except OSError:  # between two engines
        return False
