# SPDX-License-Identifier: ISC
"""What follows from decisions, and how work with many bans is divided."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

import pytest

from filter_ban.client import ClientKey, key_text, parse_network
from filter_ban.config import parse_config
from filter_ban.daemon.ban_log import LINES_AT_ONCE
from filter_ban.daemon.commands import Commands
from filter_ban.daemon.service import Service
from filter_ban.daemon.turns import PIECE
from filter_ban.engine import Engine
from filter_ban.ledger import Ledger, open_reader
from filter_ban.model import Ban, Enforcement, Kind, Strike

MANY = 10 * PIECE + 7
CLIENTS = [ClientKey((10 << 24 | number).to_bytes(4) + b"\x20") for number in range(MANY)]
NOW_S = int(time.time())
CONFIG = '[firewall]\nbackend = "pf"\n[never]\nown_addresses = true\n'


class Rig:
    """A service without processes around it: what it says to the enforcer is kept."""

    def __init__(self, folder: Path) -> None:
        self.said: list[tuple[str, Any]] = []
        self.service = Service(
            config=parse_config(CONFIG),
            config_file="",
            ledger_path=folder / "ledger.sqlite3",
            listeners=[],
            surroundings=[],
            send=lambda line: self.said.append(tuple(json.loads(line))),
        )

    def take(self, verb: str) -> list[Any]:
        """Return what was said with *verb* since the last time."""
        taken = [argument for said, argument in self.said if said == verb]
        self.said.clear()
        return taken

    def ban_many(self, end_s: int | None = None) -> None:
        """Ban many clients at once."""
        for client in CLIENTS:
            length_s = None if end_s is None else end_s - NOW_S
            self.service.engine.ban(client, NOW_S, rule="by hand", reason="", length_s=length_s)
        self.service.settle()
        self.said.clear()


def run(folder: Path, test: Callable[[Rig], Coroutine[Any, Any, None]]) -> None:
    """Run *test* with a rig."""

    async def started() -> None:
        rig = Rig(folder)
        await rig.service.recall_bans()
        try:
            await test(rig)
        finally:
            await asyncio.to_thread(rig.service.writer.stop, 10.0)

    asyncio.run(started())


async def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds; fail after a bounded time."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("did not happen")


async def results(answer: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all results of a command."""
    return [result async for part in answer for result in part["results"]]


def pieces_of(messages: Iterable[dict[str, Any]], what: str) -> list[str]:
    """Return all clients in *messages*, none of which holds more than a piece."""
    pieces = [message[what] for message in messages]
    assert max(map(len, pieces)) <= PIECE
    return [entry if isinstance(entry, str) else entry[0] for piece in pieces for entry in piece]


def test_many_bans_that_end_at_once_end_in_pieces(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """All end in one call, in their order, a piece at a time, and the log is not flooded."""
    caplog.set_level(logging.INFO)

    async def test(rig: Rig) -> None:
        rig.ban_many(end_s=NOW_S - 10)
        caplog.clear()
        await rig.service.expire()

        assert pieces_of(rig.take("change"), "remove") == [key_text(client) for client in CLIENTS]
        assert not rig.service.engine.bans
        assert rig.service.enforcer.backends["pf"].counts().total() == 0
        lines = [line for line in caplog.messages if line.startswith("expire ")]
        assert len(lines) == 10 + MANY % PIECE
        assert MANY % PIECE <= LINES_AT_ONCE
        assert lines[0] == f"expire clients={PIECE} first=10.0.0.0 last=10.0.0.{PIECE - 1}"

    run(tmp_path, test)


def test_a_prefix_is_lifted_in_pieces(tmp_path: Path) -> None:
    """The answer comes in order, and each client is in just one result: that of the first who named it."""

    async def test(rig: Rig) -> None:
        rig.ban_many()
        names = ["10.0.0.3", "10.0.0.0/8", "nonsense", "10.0.0.4", "10.0.0.0/24"]
        found = await results(Commands(rig.service).lift({"clients": names}))

        assert [result["outcome"] for result in found] == [
            *("lifted", "lifted", "refused", "not-banned", "not-banned")
        ]
        assert (found[0]["bans"], found[1]["lifted"]) == (["10.0.0.3"], MANY - 1)
        assert sorted(pieces_of(rig.take("change"), "remove")) == sorted(map(key_text, CLIENTS))
        assert not rig.service.engine.bans

    run(tmp_path, test)


def test_a_client_within_a_wider_ban_is_lifted_with_it_alone(tmp_path: Path) -> None:
    """Before the wide one is lifted the answer says so, after it there is nothing to lift."""

    async def test(rig: Rig) -> None:
        rig.service.engine.ban(parse_network("10.0.0.0/24"), NOW_S, rule="", reason="")
        names = ["10.0.0.7", "10.0.0.0/24", "10.0.0.7"]
        found = await results(Commands(rig.service).lift({"clients": names}))

        assert [result["outcome"] for result in found] == ["refused", "lifted", "not-banned"]
        assert found[0]["why"] == "banned as part of 10.0.0.0/24; lift that"

    run(tmp_path, test)


def test_the_list_is_sorted_in_pieces(tmp_path: Path) -> None:
    """It is what sorting all at once gives, without the bans that ended meanwhile."""

    async def test(rig: Rig) -> None:
        engine = rig.service.engine
        for number, client in enumerate(CLIENTS):
            engine.ban(client, NOW_S + number * 7919 % 500, rule="", reason="", length_s=None)
        expected = sorted(engine.bans.values(), key=lambda ban: -ban.start_s)
        listed: list[str] = []
        async for part in Commands(rig.service).list_bans({}):
            assert len(part["bans"]) <= PIECE
            listed += [ban["client"] for ban in part["bans"]]
            engine.lift(CLIENTS[0])

        assert listed == [key_text(ban.client) for ban in expected if ban.client != CLIENTS[0]]

    run(tmp_path, test)


def test_new_surroundings_end_what_they_cover(tmp_path: Path) -> None:
    """In pieces, in firewall and ledger too."""

    async def test(rig: Rig) -> None:
        rig.ban_many()
        await rig.service.heard("surroundings", ["10.0.1.0/24"])

        covered = {key_text(client) for client in CLIENTS if client[2] == 1}
        assert set(pieces_of(rig.take("change"), "remove")) == covered
        assert len(rig.service.engine.bans) == MANY - len(covered)

    run(tmp_path, test)
    with open_reader(tmp_path / "ledger.sqlite3") as reader:
        assert {ban.client for ban in reader.active_bans(NOW_S)} == {c for c in CLIENTS if c[2] != 1}


def test_outcomes_are_heeded_in_order(tmp_path: Path) -> None:
    """A message about many is heeded whole before the next one, and what failed stays so."""

    async def test(rig: Rig) -> None:
        rig.ban_many()
        rig.service.enforcer.committed(CLIENTS)
        texts = [key_text(client) for client in CLIENTS]
        outcome = {"backend": "pf", "in_force": texts, "failed": [[texts[5], "full"]], "drifted": []}
        await rig.service.heard("outcome", outcome)

        assert rig.service.enforcer.backends["pf"].counts() == {
            Enforcement.IN_FORCE: MANY - 1,
            Enforcement.FAILED: 1,
            Enforcement.PENDING: 0,
        }
        assert rig.service.enforcer.state_of(CLIENTS[5]) is Enforcement.FAILED

    run(tmp_path, test)


def test_the_ledger_comes_back_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bans, offences and strikes are all there; the enforcer gets bans piece by piece, the last one marked."""
    sizes: list[int] = []
    restore_strikes = Engine.restore_strikes

    def watched(engine: Engine, strikes: list[Strike]) -> None:
        sizes.append(len(strikes))
        restore_strikes(engine, strikes)

    monkeypatch.setattr(Engine, "restore_strikes", watched)
    with Ledger.open(tmp_path / "ledger.sqlite3", NOW_S) as ledger:
        ledger.record_bans(
            Ban(client=client, start_s=NOW_S, end_s=None, rule="r", reason="r") for client in CLIENTS
        )
        ledger.record_strikes(
            Strike(client, NOW_S - at, Kind.AUTH_FAIL, 1.0) for at in (9, 8, 7) for client in CLIENTS
        )

    async def test(rig: Rig) -> None:
        replaced = rig.take("replace")
        await rig.service.recall_past()

        engine = rig.service.engine
        assert [message["more"] for message in replaced] == [True] * (len(replaced) - 1) + [False]
        assert [entry[0] for message in replaced for entry in message["entries"]] == [
            key_text(client) for client in CLIENTS
        ]
        assert list(engine.bans) == CLIENTS
        assert set(engine.offenders) == set(CLIENTS)
        assert (sum(sizes), max(sizes) <= 500) == (3 * MANY, True)
        assert {engine.strikes(client, NOW_S) for client in CLIENTS} == {3.0}
        assert not rig.service.restoring

    run(tmp_path, test)


def test_a_ledger_that_can_be_used_at_last_is_joined(tmp_path: Path) -> None:
    """What it remembers is taken over in pieces, what was decided before it is recorded in it."""
    path = tmp_path / "ledger.sqlite3"
    path.mkdir()
    spare = tmp_path / "spare"
    with Ledger.open(spare, NOW_S) as ledger:
        ledger.record_bans(
            Ban(client=client, start_s=NOW_S, end_s=None, rule="r", reason="r") for client in CLIENTS[1:]
        )

    async def test(rig: Rig) -> None:
        rig.service.engine.ban(CLIENTS[0], NOW_S, rule="by hand", reason="", length_s=None)
        rig.service.settle()
        await until(lambda: not rig.service.writer.health().ok)  # and tries again only after a second
        path.rmdir()
        spare.rename(path)
        await until(lambda: len(rig.service.engine.bans) == MANY)

        assert set(pieces_of(rig.take("change"), "add")) == {key_text(client) for client in CLIENTS}
        assert set(rig.service.engine.offenders) >= {CLIENTS[0]}

    run(tmp_path, test)
    with open_reader(path) as reader:
        assert {ban.client for ban in reader.active_bans(NOW_S)} == set(CLIENTS)
