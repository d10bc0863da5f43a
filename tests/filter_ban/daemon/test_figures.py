# SPDX-License-Identifier: ISC
"""The figures of a service: each metric is read, in no more time for many clients than for few."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, NoReturn

from filter_ban.client import ClientKey, key_text, parse_network
from filter_ban.config import parse_config
from filter_ban.daemon import figures
from filter_ban.daemon.service import Service
from filter_ban.daemon.status import USERS_AT_ONCE
from filter_ban.metrics import Histogram, Readings, families
from filter_ban.metrics.exposition import Value
from filter_ban.metrics.families import FAMILIES, Family
from filter_ban.model import Ban, Kind

NOW_S = int(time.time())
CLIENTS = [parse_network(f"10.0.0.{number}") for number in range(1, 21)]
BOT, WIDE = CLIENTS[0], parse_network("10.0.0.0/24")
METRICS = {"service": "metrics", "endpoint": "127.0.0.1:9124", "fd": 9, "problem": ""}
POSTFIX = {"service": "postfix", "endpoint": "127.0.0.1:10040", "fd": None, "problem": "in use"}


class Rig:
    """A service without processes around it, and what is read of it."""

    def __init__(self, folder: Path) -> None:
        config = f'[firewall]\nbackend = ["pf", "route"]\n[record]\npath = "{folder}/record"\n'
        self.service = Service(
            config=parse_config(config),
            config_file="",
            ledger_path=folder / "ledger.sqlite3",
            listeners=[METRICS, POSTFIX],
            surroundings=[],
            send=lambda _: None,
        )

    async def read(self) -> Readings:
        """Return all figures."""
        assert self.service.meter is not None
        return await figures.read(self.service, self.service.meter)

    async def value(self, family: Family, *labels: str) -> Value:
        """Return one figure."""
        return (await self.read())[family][labels]


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


def test_every_metric_is_read(tmp_path: Path) -> None:
    """All of the table and no other, in its order as far as it is told, each sample with the labels of its family."""

    async def test(rig: Rig) -> None:
        readings = await rig.read()

        assert set(readings) == set(FAMILIES)
        for family, samples in readings.items():
            assert all(len(labels) == len(family.labels) for labels in samples)

    run(tmp_path, test)


def test_without_metrics_nothing_is_measured(tmp_path: Path) -> None:
    """There is no meter where nobody listens, nor where that failed."""

    async def test(rig: Rig) -> None:
        for listeners in ([], [POSTFIX], [{**METRICS, "fd": None}]):
            service = Service(
                config=rig.service.config,
                config_file="",
                ledger_path=tmp_path / "another.sqlite3",
                listeners=listeners,
                surroundings=[],
                send=lambda _: None,
            )
            assert service.meter is None

    run(tmp_path, test)


def test_listeners_by_service(tmp_path: Path) -> None:
    """What is served, and what could not be."""

    async def test(rig: Rig) -> None:
        assert (await rig.read())[families.LISTENERS] == {
            ("metrics", "open"): 1,
            ("metrics", "failed"): 0,
            ("postfix", "open"): 0,
            ("postfix", "failed"): 1,
        }

    run(tmp_path, test)


def test_events_by_sensor(tmp_path: Path) -> None:
    """Those of a relay that has left stay."""

    async def test(rig: Rig) -> None:
        service = rig.service
        relay = service.sensors.connect()
        relay.strike(Kind.AUTH_FAIL, BOT)
        service.sensors.connect().strike(Kind.AUTH_FAIL, BOT)
        service.sensors.retire(relay)
        service.sensors.dovecot.strike(Kind.UNKNOWN_USER, BOT)

        assert (await rig.read())[families.EVENTS] == {
            ("opensmtpd", "auth-fail"): 2,
            ("dovecot", "unknown-user"): 1,
        }
        assert await rig.value(families.RELAYS) == 1
        assert service.sensors.events == {"auth-fail": 2, "unknown-user": 1}

    run(tmp_path, test)


def test_the_firewall_by_backend(tmp_path: Path) -> None:
    """States, packets, comparisons and drift of each."""

    async def test(rig: Rig) -> None:
        service = rig.service
        for client in CLIENTS[:3]:
            service.engine.ban(client, NOW_S, rule="5 in 10m", reason="")
        service.settle()
        service.enforcer.committed(CLIENTS[:3])
        texts = [key_text(client) for client in CLIENTS[:3]]
        await service.heard("outcome", {"backend": "pf", "in_force": texts, "dropped": [[texts[0], 5]]})
        await service.heard("outcome", {"backend": "route", "failed": [[texts[0], "no"]]})
        synced = {"backend": "pf", "time": 7.0, "ok": True, "rule_present": True, "counts": True}
        await service.heard("synced", {**synced, "missing": 2, "foreign": 1})
        await service.heard("synced", {**synced, "missing": 1})
        readings = await rig.read()

        assert readings[families.ENFORCEMENT] == {
            ("pf", "in-force"): 3,
            ("pf", "pending"): 0,
            ("pf", "failed"): 0,
            ("pf", "drifted"): 0,
            ("route", "in-force"): 0,
            ("route", "pending"): 2,
            ("route", "failed"): 1,
            ("route", "drifted"): 0,
        }
        assert readings[families.PACKETS_DROPPED] == {("pf",): 5}
        assert readings[families.SYNC_TIME] == {("pf",): 7.0, ("route",): 0.0}
        assert readings[families.SYNC_OK] == {("pf",): 1, ("route",): 1}
        assert readings[families.RULE_PRESENT] == {("pf",): 1}
        assert readings[families.DRIFT] == {
            ("pf", "missing"): 3,
            ("pf", "foreign"): 1,
            ("route", "missing"): 0,
            ("route", "foreign"): 0,
        }
        await service.heard("outcome", {"backend": "route", "in_force": texts})
        measured = await rig.value(families.TIME_TO_BAN)
        assert isinstance(measured, Histogram)
        assert measured.count == 3

    run(tmp_path, test)


def test_bans_and_what_ends_them(tmp_path: Path) -> None:
    """A ban, a ban by hand, a lift and an expiry each are counted where they belong."""

    async def test(rig: Rig) -> None:
        service = rig.service
        service.engine.ban(BOT, NOW_S, rule="5 in 10m", reason="", length_s=3600)
        service.engine.ban(CLIENTS[1], NOW_S - 10, rule="5 in 10m", reason="", length_s=1)
        service.engine.ban(WIDE, NOW_S, rule="by hand", reason="", length_s=None)
        service.settle()
        await service.expire()
        lifted = service.engine.lift(BOT)
        assert lifted is not None
        service.ended([lifted], "operator", NOW_S)
        readings = await rig.read()

        assert {rule: count for (rule,), count in readings[families.BANS].items() if count} == {
            "5 in 10m": 2,
            "by hand": 1,
        }
        assert readings[families.BANS_ENDED] == {("time",): 1, ("operator",): 1, ("never-list",): 0}
        assert readings[families.ACTIVE_BANS] == {(): 1}

    run(tmp_path, test)


class Link:
    """A link to a cluster that has just begun."""

    def document(self) -> dict[str, Any]:
        """Return what ``status`` tells of it."""
        numbers = dict.fromkeys(("buffered", "dropped", "published", "folded"), 7)
        return {"stores": [{"ok": True}], "current": True, "peers": [], **numbers}


def test_the_cluster(tmp_path: Path) -> None:
    """Its figures have values where there is one."""

    async def test(rig: Rig) -> None:
        assert (await rig.read())[families.CLUSTER_PEERS] == {}
        rig.service.cluster = Link()  # type: ignore[assignment]  # as much of one as is asked
        assert await rig.value(families.CLUSTER_PEERS) == 0
        assert await rig.value(families.CLUSTER_FOLDED) == 7
        rig.service.cluster = None

    run(tmp_path, test)


def test_besieged_users_are_counted_in_turns(tmp_path: Path) -> None:
    """However many names are attacked, others have their turns between a thousand and the next."""
    names = 3 * USERS_AT_ONCE

    async def test(rig: Rig) -> None:
        service = rig.service
        for client in CLIENTS:
            for name in range(names):
                service.engine._sieges.note(name + 1, client, NOW_S)
        service.engine._latest_s = NOW_S
        rounds = 0

        async def count_rounds() -> None:
            nonlocal rounds
            while True:
                rounds += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count_rounds())
        assert await rig.value(families.BESIEGED_USERS) == names == service.engine.besieged
        counting.cancel()
        assert rounds >= names / USERS_AT_ONCE

    run(tmp_path, test)


class Uncountable(dict[ClientKey, Ban]):
    """Many bans: looking through them would hold up answers."""

    def _fail(self, *_: object) -> NoReturn:
        raise AssertionError("somebody looks through all bans")

    keys = values = items = _fail

    def __iter__(self) -> Iterator[ClientKey]:
        self._fail()


def test_nothing_looks_through_bans_or_clients(tmp_path: Path) -> None:
    """Only their number is read."""

    async def test(rig: Rig) -> None:
        engine = rig.service.engine
        engine.ban(BOT, NOW_S, rule="5 in 10m", reason="")
        rig.service.settle()
        engine._active.bans = Uncountable(engine.bans)
        for entries in rig.service.enforcer.backends.values():
            entries._states = Uncountable(entries._states)  # type: ignore[arg-type,assignment]  # a dict
        readings = await rig.read()

        assert readings[families.ACTIVE_BANS] == {(): 1}
        assert readings[families.ENFORCEMENT]["pf", "pending"] == 1

    run(tmp_path, test)
