# SPDX-License-Identifier: ISC
"""A daemon's link to the others: with a real store and couriers, and with the test in the courier's place."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from filter_ban import __version__
from filter_ban.client import parse_network
from filter_ban.cluster.message import Header, read_header, read_notices
from filter_ban.cluster.notice import Allowed, Disallowed, Lifted
from filter_ban.courier.settings import Settings
from filter_ban.daemon import cluster as link_module
from filter_ban.daemon import couriers as couriers_module
from filter_ban.daemon.sharing import Sharing
from filter_ban.ledger import open_reader
from filter_ban.model import Allowance, Ban, Kind, Strike
from tests.filter_ban.courier.conftest import folder, store
from tests.filter_ban.courier.redis_server import RedisServer
from tests.filter_ban.daemon.nodes import SECRETS, FakeCouriers, Node, joined, message
from tests.filter_ban.daemon.test_service import until

__all__ = ["folder", "store"]
BOT, OTHER, OFFICE = "198.51.100.66", "198.51.100.7", "203.0.113.9"
GUESSES: Final = (101, 102, 103, 104, 105)  # tags of secrets, enough for a ban
SOON_S: Final = 60.0


def run(*nodes: Callable[[], Node], test: Callable[..., Coroutine[Any, Any, None]]) -> None:
    """Run *test* with nodes in one loop, when all are up to date."""

    async def started() -> None:
        made = [make() for make in nodes]
        async with joined(*made):
            await until(lambda: all(node.cluster["current"] for node in made))
            await test(*made)

    asyncio.run(started())


def pair(folder: Path, store: RedisServer, test: Callable[[Node, Node], Coroutine[Any, Any, None]]) -> None:
    """Run *test* with two nodes that are up to date."""
    run(lambda: Node(folder, "mx1", store.url), lambda: Node(folder, "mx2", store.url), test=test)


def published(node: Node) -> Callable[[], bool]:
    """Return whether the store has all that *node* has to say."""
    return lambda: not node.cluster["buffered"]


# --- with a store


def test_strikes_are_shared(folder: Path, store: RedisServer) -> None:
    """Guesses at both ban at both, by the same ban; nobody takes what he hears for what he saw."""

    async def test(one: Node, other: Node) -> None:
        now_s = time.time()
        one.guess(BOT, now_s, *GUESSES[:3])
        await until(lambda: other.strikes(BOT, now_s) == 3.0)
        other.guess(BOT, now_s + 0.5, *GUESSES[3:])
        await until(lambda: one.bans(BOT) and other.bans(BOT))

        assert one.banned == other.banned
        assert (one.cluster["refused"], one.cluster["malformed"]) == (0, 0)
        await until(published(one))
        (shown,) = await one.ask("show", client=BOT)
        assert {event["node"] for event in shown["events"]} == {"", "mx2"}

    pair(folder, store, test)


def test_the_same_password_at_both_counts_once(folder: Path, store: RedisServer) -> None:
    """A phone with an old password goes from one server to the other."""

    async def test(one: Node, other: Node) -> None:
        now_s = time.time()
        tags, others = (Sharing(node.service.config.cluster, SECRETS).secrets for node in (one, other))
        one.guess(BOT, now_s, tags.of("old"))
        await until(lambda: other.strikes(BOT, now_s) == 1.0)
        other.guess(BOT, now_s + 1, others.of("old"))
        assert other.strikes(BOT, now_s + 1) == 1.0
        other.guess(BOT, now_s + 2, others.of("another"))
        assert other.strikes(BOT, now_s + 2) == 2.0

    pair(folder, store, test)


def test_acts_are_shared(folder: Path, store: RedisServer) -> None:
    """Bans, lifts and allowances by hand, and that they are taken back."""

    async def test(one: Node, other: Node) -> None:
        (answer,) = await one.ask("ban", clients=[BOT, OTHER], reason="spam")
        assert answer["everywhere"] is True
        await until(lambda: other.bans(BOT) and other.bans(OTHER))
        assert one.banned == other.banned
        assert {ban.node for ban in other.service.engine.bans.values()} == {"mx1"}

        await other.ask("lift", clients=[BOT])
        await until(lambda: not one.bans(BOT))
        assert one.bans(OTHER)

        await other.ask("allow", clients=["198.51.100.0/24"], reason="customer")
        await until(lambda: one.lets_in("198.51.100.0/24") and not one.bans(OTHER))
        await until(lambda: not other.bans(OTHER))
        (allowance,) = one.service.allowed.values()
        assert (allowance.reason, allowance.here) == ("customer", False)

        await one.ask("disallow", clients=["198.51.100.0/24"])
        await until(lambda: not other.lets_in("198.51.100.0/24"))

    pair(folder, store, test)


def test_what_is_here_stays_here(folder: Path, store: RedisServer) -> None:
    """Others are not told, nor who joins later; what is said after it they hear."""

    async def test(one: Node, other: Node) -> None:
        for command in ("ban", "allow"):
            (answer,) = await one.ask(
                command, clients=[BOT if command == "ban" else OFFICE], everywhere=False
            )
            assert answer["everywhere"] is False
        await other.ask("ban", clients=[OTHER])
        await until(lambda: one.bans(OTHER))
        await one.ask("lift", clients=[OTHER], everywhere=False)
        await one.ask("disallow", clients=["192.0.2.0/24"], everywhere=False)
        assert one.cluster["buffered"] == 0
        for client in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"):  # in both shards
            await one.ask("ban", clients=[client])
        await until(lambda: other.bans("192.0.2.4") and len(other.banned) == 5)

        assert (other.bans(BOT), other.lets_in(OFFICE), other.bans(OTHER)) == (False, False, True)
        assert (one.bans(BOT), one.lets_in(OFFICE), one.bans(OTHER)) == (True, True, False)

    pair(folder, store, test)


def test_who_is_let_in_here_stays_so(folder: Path, store: RedisServer) -> None:
    """Whatever others say of him: that he is let in everywhere, for a time, or no more."""

    async def test(one: Node, other: Node) -> None:
        await one.ask("allow", clients=[BOT], everywhere=False)
        await one.ask("allow", clients=[OTHER], everywhere=False, length=60)
        await other.ask("allow", clients=[BOT, OTHER, OFFICE], length=3600)
        here = {parse_network(BOT): True, parse_network(OTHER): False, parse_network(OFFICE): False}
        await until(lambda: {client: let.here for client, let in one.service.allowed.items()} == here)
        await other.ask("disallow", clients=[BOT, OTHER, OFFICE])
        await until(lambda: not one.lets_in(OFFICE) and not one.lets_in(OTHER))
        assert one.lets_in(BOT)
        await one.ask("disallow", clients=[BOT])
        assert not one.lets_in(BOT)

    pair(folder, store, test)


def test_a_ban_here_is_no_ban_of_all(folder: Path, store: RedisServer) -> None:
    """Who is banned at one node alone, and then everywhere, is banned by the others as it is there."""

    async def test(one: Node, other: Node) -> None:
        await one.ask("ban", clients=[BOT], everywhere=False)
        await one.ask("ban", clients=[BOT], length=3600)
        await one.ask("ban", clients=[OTHER])
        await until(lambda: other.bans(OTHER) and other.bans(BOT))
        assert {ban.node for ban in other.service.engine.bans.values()} == {"mx1"}
        assert {ban.node for ban in one.service.engine.bans.values()} == {""}
        await one.ask("flush")
        with open_reader(one.service.ledger_path) as ledger:
            assert {ban.node for ban in ledger.active_bans(time.time())} == {""}

    pair(folder, store, test)


def test_who_comes_later_knows_all(folder: Path, store: RedisServer) -> None:
    """Bans, lifts, allowances and strikes of before; and what only it has the others hear."""

    async def test(one: Node) -> None:
        now_s = time.time()
        await one.ask("ban", clients=[BOT])
        await one.ask("allow", clients=[OFFICE])
        one.guess(OTHER, now_s, *GUESSES[:2])
        await until(published(one))
        later = Node(folder, "mx2", store.url)
        await later.ask("ban", clients=["192.0.2.9"])
        async with joined(later):
            await until(lambda: later.bans(BOT) and later.lets_in(OFFICE))
            await until(lambda: later.strikes(OTHER, now_s) == 2.0)
            await until(lambda: one.bans("192.0.2.9"))
            await until(lambda: bool(later.cluster["current"]))
            assert one.banned == later.banned

    run(lambda: Node(folder, "mx1", store.url), test=test)


def test_a_node_that_comes_back_goes_on(folder: Path, store: RedisServer) -> None:
    """What was said while it was away it hears, with what its ledger remembers of before."""

    async def test(one: Node) -> None:
        now_s = time.time()
        for names in ((BOT,), (OTHER,)):
            node = Node(folder, "mx2", store.url)
            async with joined(node):
                await until(lambda node=node: bool(node.cluster["current"]))  # type: ignore[misc]  # mypy 17470
                node.guess(OFFICE, time.time(), *GUESSES[:1])
                await until(published(node))
            await one.ask("ban", clients=list(names))
            one.guess(OFFICE, now_s, *GUESSES[1:3])
            await until(published(one))
        node = Node(folder, "mx2", store.url)
        async with joined(node):
            await until(lambda: node.bans(BOT) and node.bans(OTHER))
            await until(lambda: node.strikes(OFFICE, now_s + 10) == one.strikes(OFFICE, now_s + 10))
            assert node.cluster["replayed"] == 0

    run(lambda: Node(folder, "mx1", store.url), test=test)


def test_what_waited_is_told_after_a_restart(folder: Path, store: RedisServer) -> None:
    """Strikes and logins that the store did not get before the node was ended, each once; what it got is not repeated."""

    async def test(one: Node) -> None:
        now_s = time.time() - 10
        node = Node(folder, "mx2", store.url)
        async with joined(node):
            await until(lambda: bool(node.cluster["current"]))
            node.guess(BOT, now_s, GUESSES[0])
            one.guess(OFFICE, now_s, GUESSES[0], user=8)
            await until(lambda: one.strikes(BOT, now_s) == node.strikes(OFFICE, now_s) == 1.0)
            await until(published(node))
            store.kill()
            node.guess(BOT, now_s + 1, *GUESSES[1:3])
            node.service.engine.success(parse_network(OFFICE), 8, now_s + 2)
            node.service.settle()
        store.start()
        again = Node(folder, "mx2", store.url)
        async with joined(again):
            await until(lambda: one.strikes(BOT, now_s + 2) == 3.0)
            await until(lambda: one.strikes(OFFICE, now_s + 2) == 0.0)
            await until(published(again))
            assert one.cluster["folded"] == 1 + 2 + 1
            again.link.remember()
            await until(lambda: "cluster waiting" not in again.memory())

    run(lambda: Node(folder, "mx1", store.url), test=test)


def test_acts_outlive_the_node_that_did_them(folder: Path, store: RedisServer) -> None:
    """A removed allowance does not come back with an older snapshot, nor a ban that was lifted where nobody had it."""

    async def test(one: Node) -> None:
        node = Node(folder, "mx2", store.url)
        async with joined(node):
            await until(lambda: bool(node.cluster["current"]))
            await node.ask("allow", clients=[OFFICE])
            await until(lambda: one.lets_in(OFFICE))
            await node.ask("disallow", clients=[OFFICE])
            await node.ask("lift", clients=[BOT])
            await until(lambda: not one.lets_in(OFFICE))
        again = Node(folder, "mx2", store.url)
        async with joined(again):
            await until(lambda: bool(again.cluster["current"]))
            link = again.service.cluster
            assert link is not None
            notices = list(link.member.memory(()))
            lifted = {n.client for n in notices if isinstance(n, Lifted)}
            assert lifted == {parse_network(BOT), parse_network(OFFICE)}
            assert [n.client for n in notices if isinstance(n, Disallowed)] == [parse_network(OFFICE)]
            assert not again.lets_in(OFFICE)

    run(lambda: Node(folder, "mx1", store.url), test=test)


def test_what_an_allowance_has_ended_stays_so(folder: Path, store: RedisServer) -> None:
    """Who comes when it has been removed hears of the bans in the streams, and that they are lifted."""

    async def test(one: Node, other: Node) -> None:
        await one.ask("ban", clients=[BOT, OFFICE], reason="spam")
        await until(lambda: other.bans(BOT) and other.bans(OFFICE))
        await other.ask("allow", clients=["198.51.100.0/24", OFFICE])
        await until(lambda: not (one.bans(BOT) or one.bans(OFFICE) or other.bans(BOT)))
        await one.ask("disallow", clients=["198.51.100.0/24", OFFICE])
        await until(lambda: not other.lets_in(OFFICE))
        for node in (one, other):
            lifts = {client for client, _ in node.link.member.engine.lifts()}
            assert {parse_network(BOT), parse_network(OFFICE)} <= lifts

    pair(folder, store, test)


def test_a_courier_that_is_killed_is_replaced(
    folder: Path, store: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that was on its way is lost, nor heard twice."""
    monkeypatch.setattr(couriers_module, "FIRST_PAUSE_S", 0.001)

    async def test(one: Node, other: Node) -> None:
        now_s = time.time()
        for number in range(3):
            pid = one.cluster["courier"]
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            for guess in range(50):
                one.guess(f"10.{guess}.0.1", now_s + number, 1000 * number + guess, user=100 + guess)
            await one.ask("ban", clients=[f"203.0.113.{number}"])
            await until(lambda pid=pid: one.cluster["courier"] not in {pid, None})  # type: ignore[misc]  # mypy 17470
        await until(published(one))
        await until(lambda: one.cluster["current"] and len(other.banned) == 3)
        assert one.cluster["stores"][0]["ok"]
        await until(lambda: all(other.strikes(f"10.{guess}.0.1", now_s + 3) == 3.0 for guess in range(50)))
        assert (one.cluster["dropped"], other.cluster["malformed"]) == (0, 0)

        pid = other.cluster["courier"]
        os.kill(pid, signal.SIGKILL)
        await one.ask("lift", clients=["203.0.113.0", "203.0.113.1"])
        await until(lambda: len(other.banned) == 1)

    pair(folder, store, test)


def test_a_store_that_is_away(folder: Path, store: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """What a node has to say is kept; when the store comes back, even empty, all is as it was."""
    caplog.set_level("INFO")

    async def test(one: Node, other: Node) -> None:
        await one.ask("ban", clients=[BOT])
        await until(lambda: other.bans(BOT))
        store.kill()
        await until(lambda: not one.cluster["stores"][0]["ok"])
        assert one.cluster["stores"][0]["problem"]
        await one.ask("ban", clients=[OTHER])
        await one.ask("allow", clients=[OFFICE])
        assert one.cluster["buffered"] == 3  # an allowance is a lift too
        store.start()
        await until(lambda: other.bans(OTHER) and other.lets_in(OFFICE))
        await until(lambda: one.cluster["current"] and other.cluster["current"])
        assert one.banned == other.banned

    pair(folder, store, test)
    assert sum(line.startswith("store-down ") for line in caplog.messages) >= 2


def test_status_with_a_store(folder: Path, store: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers with what they tell, the store, and the snapshot that the first one wrote."""
    monkeypatch.setattr(link_module, "TELL_S", 0.0)

    async def test(one: Node, other: Node) -> None:
        await one.ask("ban", clients=[BOT])
        await until(lambda: bool(other.cluster["peers"]))
        (peer,) = other.cluster["peers"]
        assert (peer["node"], peer["role"], peer["version"]) == ("mx1", "full", __version__)
        await until(lambda: bool(one.cluster["snapshot"] or other.cluster["snapshot"]))
        (status,) = await one.ask("status")
        assert status["cluster"]["stores"][0]["url"] == store.url
        assert status["cluster"]["current"] is True

    pair(folder, store, test)


# --- with the test in the courier's place


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> FakeCouriers:
    """Provide couriers that are the test."""
    made = FakeCouriers()
    monkeypatch.setattr(couriers_module, "CourierProcess", made)
    monkeypatch.setattr(couriers_module, "FIRST_PAUSE_S", 0.001)
    return made


def alone(
    folder: Path, fakes: FakeCouriers, test: Callable[[Node], Coroutine[Any, Any, None]], **facts: Any
) -> None:
    """Run *test* with a node of one shard whose courier is there."""

    async def started() -> None:
        node = Node(folder, shards=1, **facts)
        async with joined(node):
            await until(lambda: bool(fakes.made and fakes.last.told("start")))
            await test(node)

    asyncio.run(started())


def strike(number: int = 0, client: str = BOT) -> Strike:
    """Return a strike of some seconds ago."""
    at_s = int(time.time()) - SOON_S + number
    return Strike(parse_network(client), at_s, Kind.AUTH_FAIL, 1.0, user_tag=number + 1)


def ban(client: str = BOT) -> Ban:
    """Return a ban for ever."""
    return Ban(
        client=parse_network(client), start_s=int(time.time() - SOON_S), end_s=None, rule="by hand", reason=""
    )


def test_what_a_courier_is_told(tmp_path: Path, fakes: FakeCouriers) -> None:
    """Who this node is, and some seconds later again how it is."""

    async def test(node: Node) -> None:
        ((_, facts, _),) = fakes.last.told("start")
        told = Settings.from_facts(facts)
        assert (told.node, told.shards, told.role, told.prefix) == ("mx1", 1, "full", "filter-ban")
        assert (told.positions, told.heard, told.epochs) == ({}, {}, {})
        await until(lambda: bool(fakes.last.told("tell")))
        assert fakes.last.told("tell")[0][1]["bans"] == 0
        await node.service.reconfigure(node.service.config)
        await until(lambda: bool(fakes.last.told("retain")))
        assert fakes.last.told("retain")[0][1] == {"seconds": told.retention_s}

    alone(tmp_path, fakes, test)


def test_the_first_at_once_the_rest_together(tmp_path: Path, fakes: FakeCouriers) -> None:
    """While a message is on its way nothing else is sent; then all that waits."""

    async def test(node: Node) -> None:
        for number in range(5):
            await node.ask("ban", clients=[f"192.0.2.{number}"])
        await until(lambda: bool(fakes.last.told("publish")))
        assert node.cluster["buffered"] == 5
        ((_, facts, payload),) = fakes.last.told("publish")
        assert (facts, read_header(payload).node) == ({"shard": 0, "first": 1, "last": 1}, "mx1")
        fakes.last.say("published", shard=0, first=1)
        await until(lambda: len(fakes.last.told("publish")) == 2)
        assert fakes.last.told("publish")[1][1] == {"shard": 0, "first": 2, "last": 5}
        fakes.last.say("published", shard=0, first=2)
        await until(published(node))
        assert node.cluster["published"] == 5

    alone(tmp_path, fakes, test)


def test_the_next_courier_says_what_was_on_its_way(tmp_path: Path, fakes: FakeCouriers) -> None:
    """The same message, byte for byte, and how far this node has read by then."""

    async def test(node: Node) -> None:
        await node.ask("ban", clients=[BOT])
        await until(lambda: bool(fakes.last.told("publish")))
        before = fakes.last
        before.say("heard", message("mx2", 1, strike()), shard=0, id="5-0", shift_s=0)
        await until(lambda: bool(before.told("folded")))
        before.close()
        await until(lambda: len(fakes.made) == 2 and bool(fakes.last.told("publish")))
        assert fakes.last.told("publish") == before.told("publish")
        told = Settings.from_facts(fakes.last.told("start")[0][1])
        assert (told.positions, told.heard) == ({0: "5-0"}, {0: {"mx2": (1000, 1)}})
        assert told.started == Settings.from_facts(before.told("start")[0][1]).started

    alone(tmp_path, fakes, test)


def test_what_is_heard(tmp_path: Path, fakes: FakeCouriers) -> None:
    """Each message is folded and answered; one that is none is counted, and answered too."""

    async def test(node: Node) -> None:
        said = (strike(), ban(OTHER), Allowed(Allowance(parse_network(OFFICE), 1, None, "x"), 5.0))
        for number, text in enumerate([message("mx2", 1, *said), b"nonsense", b"{}\n[]"]):
            fakes.last.say("heard", text, shard=0, id=f"{number}-0", shift_s=0)
        await until(lambda: len(fakes.last.told("folded")) == 3)
        assert [facts["id"] for _, facts, _ in fakes.last.told("folded")] == ["0-0", "1-0", "2-0"]
        assert (node.bans(OTHER), node.strikes(BOT, time.time())) == (True, 1.0)
        assert (node.cluster["folded"], node.cluster["malformed"]) == (3, 2)
        await until(lambda: node.lets_in(OFFICE))
        assert ("spare", [OFFICE]) in node.said

    alone(tmp_path, fakes, test)


def test_the_last_word_of_a_message_stands(tmp_path: Path, fakes: FakeCouriers) -> None:
    """Who was let in and taken out again, while the store was away, is not let in."""

    async def test(node: Node) -> None:
        client = parse_network(OFFICE)
        acts = (Allowed(Allowance(client, 5, None, "x"), 5.0), Disallowed(client, 6.0))
        fakes.last.say("heard", message("mx2", 1, *acts, ban(OTHER)), shard=0, id="1-0", shift_s=0)
        await until(lambda: bool(fakes.last.told("folded")))
        await until(lambda: not node.service._tasks)
        assert (node.bans(OTHER), node.lets_in(OFFICE)) == (True, False)

    alone(tmp_path, fakes, test)


def test_a_lift_of_another_node_is_written(tmp_path: Path, fakes: FakeCouriers) -> None:
    """By whom, also where nothing was banned here."""

    async def test(node: Node) -> None:
        now_s = int(time.time())
        said = (ban(BOT), Lifted(parse_network(BOT), now_s, "operator"))
        fakes.last.say("heard", message("mx2", 1, *said), shard=0, id="1-0", shift_s=0)
        await until(lambda: bool(fakes.last.told("folded")))
        assert not node.bans(BOT)
        await until(lambda: not node.service.writer.health().pending_bans)

    alone(tmp_path, fakes, test)
    with open_reader(tmp_path / "mx1" / "ledger.sqlite3") as reader:
        assert [*reader.active_bans(time.time())] == []


def test_a_ban_after_a_lift_is_written(tmp_path: Path, fakes: FakeCouriers) -> None:
    """Also where one message tells of both: the ban of before does not come back with the next start."""

    async def test(node: Node) -> None:
        now_s = int(time.time())
        first = attrs.evolve(ban(BOT), start_s=now_s - 20, end_s=None)
        fakes.last.say("heard", message("mx2", 1, first), shard=0, id="1-0", shift_s=0)
        await until(lambda: node.bans(BOT))
        second = attrs.evolve(ban(BOT), start_s=now_s - 5, end_s=now_s + 600, reference="SECOND")
        said = (Lifted(parse_network(BOT), now_s - 10.0, "operator"), second)
        fakes.last.say("heard", message("mx2", 2, *said), shard=0, id="2-0", shift_s=0)
        await until(lambda: len(fakes.last.told("folded")) == 2)
        await until(lambda: not node.service.writer.health().pending_bans)

    alone(tmp_path, fakes, test)
    with open_reader(tmp_path / "mx1" / "ledger.sqlite3") as reader:
        assert [one.reference for one in reader.active_bans(time.time())] == ["SECOND"]


def test_folding_waits_for_the_ledger(tmp_path: Path, fakes: FakeCouriers) -> None:
    """While the ledger is behind nothing is taken; when it has caught up it goes on."""

    async def test() -> None:
        node = Node(tmp_path, shards=1)
        node.service.writer._backlog._max_counted = 3
        node.service.writer.strike([strike(1), strike(2)])
        assert node.service.writer.is_behind
        node.join()
        try:
            await until(lambda: bool(fakes.made and fakes.last.told("start")))
            fakes.last.say("refused", forged=1)
            fakes.last.say("heard", message("mx2", 1, ban()), shard=0, id="1-0", shift_s=0)
            await until(lambda: node.cluster["forged"] == 1)
            for _ in range(10):
                await asyncio.sleep(0)
            assert (node.cluster["folded"], fakes.last.told("folded")) == (0, [])
            node.service.writer.start()
            await until(lambda: bool(fakes.last.told("folded")))
            assert node.bans(BOT)
        finally:
            await node.end()

    asyncio.run(test())


def test_folding_does_not_wait_for_a_ledger_in_trouble(tmp_path: Path, fakes: FakeCouriers) -> None:
    """It would be for ever."""

    async def test() -> None:
        ledger = tmp_path / "mx1" / "ledger.sqlite3"
        ledger.mkdir(parents=True)
        node = Node(tmp_path, shards=1)
        writer = node.service.writer
        writer._backlog._max_counted = 3
        writer.start()
        await until(lambda: not writer.health().ok)
        writer.strike([strike(1), strike(2)])
        node.join()
        try:
            await until(lambda: bool(fakes.made and fakes.last.told("start")))
            fakes.last.say("heard", message("mx2", 1, ban()), shard=0, id="1-0", shift_s=0)
            await until(lambda: bool(fakes.last.told("folded")))
            assert node.bans(BOT)
            assert len(writer._backlog.counted) == 2
        finally:
            ledger.rmdir()
            await node.end()

    asyncio.run(test())


def test_bookmarks_are_in_the_ledger(tmp_path: Path, fakes: FakeCouriers) -> None:
    """The next run of the daemon goes on from there, as a later start."""
    started: list[int] = []

    async def first(node: Node) -> None:
        fakes.last.say("store", index=0, ok=True, problem="", offset_s=0.0, told_offset_s=0, epoch="e1")
        fakes.last.say("heard", message("mx2", 1, strike()), shard=0, id="5-0", shift_s=0)
        fakes.last.say("passed", shard=0, id="6-1")
        fakes.last.say("chunk", message("mx3", 1, ban(OTHER)), shard=0, id="c1", shift_s=0)
        await until(lambda: len(fakes.last.told("folded")) == 2)
        started.append(fakes.last.told("start")[0][1]["started"])

    async def second(node: Node) -> None:
        told = Settings.from_facts(fakes.last.told("start")[0][1])
        assert (told.positions, told.heard) == ({0: "6-1"}, {0: {"mx2": (1000, 1)}})
        assert told.epochs == {0: "e1"}
        assert told.started > started[0]
        assert (node.bans(OTHER), node.strikes(BOT, time.time())) == (True, 1.0)

    alone(tmp_path, fakes, first)
    with open_reader(tmp_path / "mx1" / "ledger.sqlite3") as reader:
        memory = reader.memory()
    assert memory == {
        "cluster started": str(started[0]),
        "cluster epoch 0": "e1",
        "cluster position 0": "6-1",
        "cluster heard 0 mx2": "1000 1",
    }
    fakes.made.clear()
    alone(tmp_path, fakes, second)


def test_bookmarks_are_remembered_while_it_runs(
    tmp_path: Path, fakes: FakeCouriers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that is killed has lost little."""
    monkeypatch.setattr(link_module, "REMEMBER_S", 0.0)

    async def test(node: Node) -> None:
        fakes.last.say("passed", shard=0, id="6-1")
        await until(lambda: "cluster position 0" in node.memory())

    alone(tmp_path, fakes, test)


def test_joining(tmp_path: Path, fakes: FakeCouriers) -> None:
    """What the snapshot has not is said; until all is heard the node is not current."""

    async def test(node: Node) -> None:
        for client in (BOT, OTHER):
            node.link.member.engine.hear_ban(ban(client), time.time())
        fakes.last.say("join", shard=0)
        known = attrs.evolve(ban(BOT), end_s=None, start_s=ban(BOT).start_s - 5)
        fakes.last.say("chunk", message("mx2", 1, known), shard=0, id="c1", shift_s=0)
        await until(lambda: bool(fakes.last.told("folded")))
        assert node.cluster["current"] is False
        fakes.last.say("current", shard=0)
        await until(lambda: bool(fakes.last.told("publish")))
        assert node.cluster["current"] is True
        ((_, _, payload),) = fakes.last.told("publish")
        assert [row[:2] for row in read_notices(payload)] == [["ban", OTHER]]

    alone(tmp_path, fakes, test)


def test_a_snapshot(tmp_path: Path, fakes: FakeCouriers) -> None:
    """Piece by piece, each when the one before is stored; the last is marked."""

    async def test(node: Node) -> None:
        clients = [f"10.0.{number // 250}.{number % 250}" for number in range(501)]
        await node.ask("ban", clients=clients)
        fakes.last.say("compose")
        await until(lambda: len(fakes.last.told("chunk")) == 1)
        fakes.last.say("compose")  # one at a time
        fakes.last.say("stored", shard=0, index=0)
        await until(lambda: len(fakes.last.told("chunk")) == 2)
        assert node.cluster["snapshot"] is None
        fakes.last.say("stored", shard=0, index=1)
        await until(lambda: node.cluster["snapshot"] is not None)

        first, last = fakes.last.told("chunk")
        assert (first[1], last[1]) == (
            {"shard": 0, "index": 0, "last": False},
            {"shard": 0, "index": 1, "last": True},
        )
        header = read_header(first[2])
        assert isinstance(header, Header)
        assert (header.node, header.count, read_header(last[2]).count) == ("mx1", 500, 1)
        told = [row[1] for _, _, payload in (first, last) for row in read_notices(payload)]
        assert told == clients

    alone(tmp_path, fakes, test)


def test_a_snapshot_ends_with_its_courier(tmp_path: Path, fakes: FakeCouriers) -> None:
    """The next one asks anew."""

    async def test(node: Node) -> None:
        fakes.last.say("compose")
        await until(lambda: bool(fakes.last.told("chunk")))
        fakes.last.close()
        await until(lambda: len(fakes.made) == 2 and bool(fakes.last.told("start")))
        fakes.last.say("compose")
        await until(lambda: bool(fakes.last.told("chunk")))
        fakes.last.say("stored", shard=0, index=0)
        await until(lambda: node.cluster["snapshot"] is not None)

    alone(tmp_path, fakes, test)


def test_status(tmp_path: Path, fakes: FakeCouriers, caplog: pytest.LogCaptureFixture) -> None:
    """Before anything is reached, with a store that works, and one that does not, and without a courier."""
    caplog.set_level("INFO")
    store: dict[str, Any] = {"index": 0, "epoch": "e"}

    async def test(node: Node) -> None:
        (told,) = node.cluster["stores"]
        assert (told["ok"], told["problem"]) == (False, "not reached yet")
        assert (node.cluster["courier"], node.cluster["peers"]) == (fakes.last.pid, [])

        fakes.last.say("store", **store, ok=True, problem="", offset_s=-2.5, told_offset_s=-2)
        fakes.last.say("current", shard=0)
        fakes.last.say("peers", peers={"mx3": {"lag": 1}, "mx2": {"lag": 0}})
        await until(lambda: bool(node.cluster["peers"]))
        (told,) = node.cluster["stores"]
        assert (told["ok"], told["problem"], told["offset"]) == (True, "", -2.5)
        assert node.link.member.engine.told_offset_s == -2
        assert node.cluster["peers"] == [{"node": "mx2", "lag": 0}, {"node": "mx3", "lag": 1}]
        assert node.cluster["current"] is True

        fakes.last.say("store", **store, ok=False, problem="OOM", offset_s=0.0, told_offset_s=0)
        await until(lambda: not node.cluster["stores"][0]["ok"])
        assert node.cluster["stores"][0]["problem"] == "OOM"
        fakes.last.close()
        await until(lambda: node.cluster["stores"][0]["problem"].startswith("no courier: "))
        assert node.cluster["current"] is False

    alone(tmp_path, fakes, test)
    lines = [line.partition(" ")[0] for line in caplog.messages]
    assert (lines.count("store-up"), lines.count("store-down"), lines.count("cluster-current")) == (1, 1, 1)
