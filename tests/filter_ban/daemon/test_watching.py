# SPDX-License-Identifier: ISC
"""The answer to the live view, and the newest bans in it."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from filter_ban.client import key_text, parse_network
from filter_ban.daemon.newest import SHOWN
from filter_ban.daemon.watching import Watching
from filter_ban.model import Kind
from tests.filter_ban.daemon.test_service import CLIENTS, Rig, run


async def watch(watching: Watching, **request: object) -> dict[str, Any]:
    """Return the answer."""
    (document,) = [part async for part in watching.watch(request)]
    return document


def test_what_is_seen(tmp_path: Path) -> None:
    """The status, the minutes, who is close to a ban, and the newest bans."""

    async def test(rig: Rig) -> None:
        engine, now_s = rig.service.engine, time.time()
        for secret in range(3):
            engine.strike(Kind.AUTH_FAIL, parse_network("192.0.2.7"), now_s, "alice", 1, 10 + secret, "smtps")
        engine.ban(parse_network("192.0.2.8"), int(now_s), rule="by hand", reason="why")
        rig.service.settle()
        document = await watch(Watching(rig.service))
        assert document["mode"] == "enforce"
        assert (document["minutes"]["failures"][-1], document["minutes"]["bans"][-1]) == (3, 1)
        assert document["suspects"] == [
            {
                "client": "192.0.2.7",
                "strikes": 3.0,
                "limit": 5.0,
                "window": "5 in 10m",
                "kind": "auth-fail",
                "service": "smtps",
                "time": pytest.approx(now_s),
            }
        ]
        (ban,) = document["newest"]
        assert (ban["client"], ban["reason"], ban["enforcement"]) == ("192.0.2.8", "why", "pending")

    run(tmp_path, test)


def test_many_watchers_cost_as_one(tmp_path: Path) -> None:
    """Whoever asks within a second gets the same answer; who has just done something gets a new one."""

    async def test(rig: Rig) -> None:
        watching = Watching(rig.service)
        answers = await asyncio.gather(*(watch(watching) for _ in range(10)))
        assert all(answer is answers[0] for answer in answers)
        assert await watch(watching, fresh=True) is not answers[0]

    run(tmp_path, test)


def test_newest_bans(tmp_path: Path) -> None:
    """They are found among many that were there before, the newest first, and again when some are lifted."""

    async def test(rig: Rig) -> None:
        service = rig.service
        service.engine.ban(parse_network("192.0.2.1"), int(time.time()) + 5, rule="by hand", reason="")
        service.engine.outbox.bans.clear()  # as after a start: nobody was told
        rig.ban_many()
        newest = [key_text(ban.client) for ban in await service.tallies.newest.bans()]
        assert len(newest) == SHOWN
        service.tallies.newest._clients.clear()
        newest = [key_text(ban.client) for ban in await service.tallies.newest.bans()]
        assert (len(newest), newest[0]) == (SHOWN, "192.0.2.1")

        for client in CLIENTS[10:]:
            ban = service.engine.lift(client)
            assert ban is not None
            service.ended([ban], "operator", time.time())
        newest = [key_text(ban.client) for ban in await service.tallies.newest.bans()]
        assert newest[0] == "192.0.2.1"
        assert sorted(newest[1:]) == sorted(map(key_text, CLIENTS[:10]))

    run(tmp_path, test)


def test_the_hour_before_a_restart(tmp_path: Path) -> None:
    """Failures, bans and suspects of before the start are known from the ledger."""

    async def before(rig: Rig) -> None:
        now_s = time.time() - 120
        for secret in range(5):
            rig.service.engine.strike(
                Kind.AUTH_FAIL, parse_network("192.0.2.8"), now_s, "alice", 1, 10 + secret, "smtps"
            )
        rig.service.engine.strike(Kind.AUTH_FAIL, parse_network("192.0.2.7"), now_s, "alice", 1, 99, "smtps")
        rig.service.settle()

    async def after(rig: Rig) -> None:
        await rig.service.recall_past()
        document = await watch(Watching(rig.service))
        assert (sum(document["minutes"]["failures"]), sum(document["minutes"]["bans"])) == (6, 1)
        assert [suspect["client"] for suspect in document["suspects"]] == ["192.0.2.7"]
        assert [ban["client"] for ban in document["newest"]] == ["192.0.2.8"]

    run(tmp_path, before)
    run(tmp_path, after)
