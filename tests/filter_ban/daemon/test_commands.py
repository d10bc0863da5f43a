# SPDX-License-Identifier: ISC
"""What the running daemon tells the operator."""

import time
from pathlib import Path
from typing import Any, Final

import pytest

from filter_ban.client import parse_network
from filter_ban.daemon.commands import Commands
from filter_ban.ledger import LedgerError
from filter_ban.ledger.errors import Trouble
from filter_ban.model import Kind, Login
from tests.filter_ban.daemon.test_service import Rig, run

CLIENT: Final = parse_network("192.0.2.7")
NETWORK: Final = parse_network("192.0.2.0/24")


async def show(rig: Rig, wanted: str) -> dict[str, Any]:
    """Return the answer to ``show``."""
    (document,) = [part async for part in Commands(rig.service).show({"client": wanted})]
    return document


def test_a_known_client_that_is_banned(tmp_path: Path) -> None:
    """Weights with their reasons, who logs in, and why the firewall is not told, by address and by reference."""

    async def test(rig: Rig) -> None:
        engine, now_s = rig.service.engine, time.time()
        for user in (1, 2):
            engine.success(CLIENT, user, now_s - 60)
        engine.strike(Kind.AUTH_FAIL, CLIENT, now_s, "alice@example.org", 1, 50, "smtps")
        for number in range(5):
            engine.strike(Kind.AUTH_FAIL, CLIENT, now_s, "bob", 3, 100 + number, "smtps")
        rig.service.settle()

        document = await show(rig, "192.0.2.7")
        assert document["logins"] == {"users": 2, "last": int(now_s - 60)}
        assert document["firewall_why"] == "its first ban, and somebody logs in from there"
        assert (document["reference"], document["network_ban"], document["raised"]) == (None, None, 0)
        assert document["limits"] == ["5 in 10m", "10 in 24h", "15 in 7d"]
        first = document["events"][-1]
        assert (first["weight"], first["why"]) == (0.2, "logs in from there")
        reference = document["ban"]["reference"]
        assert {**document, "reference": reference} == await show(rig, f"{reference.lower()}.")

        engine.lift(CLIENT)
        past = await show(rig, reference)
        assert (past["client"], past["ban"], past["reference"]) == ("192.0.2.7", None, reference)
        assert past["past_bans"][0]["reference"] == reference

    run(tmp_path, test)


def test_networks_around(tmp_path: Path) -> None:
    """The ban of a network is told beside a client's own, and of a client that it spares."""

    async def test(rig: Rig) -> None:
        engine, now_s = rig.service.engine, int(time.time())
        engine.ban(NETWORK, now_s, rule="widened", reason="", firewall=False)
        rig.service.settle()
        document = await show(rig, "192.0.2.7")
        assert (document["ban"]["client"], document["network_ban"]) == ("192.0.2.0/24", None)
        assert document["firewall_why"] == "a network has innocents too"

        engine.restore_logins([Login(CLIENT, 1, now_s - 60)])
        document = await show(rig, "192.0.2.7")
        assert (document["ban"], document["network_ban"]["client"]) == (None, "192.0.2.0/24")

        engine.ban(CLIENT, now_s, rule="by hand", reason="")
        document = await show(rig, "192.0.2.7")
        assert document["ban"]["client"] == "192.0.2.7"
        assert document["network_ban"]["client"] == "192.0.2.0/24"

    run(tmp_path, test)


def test_an_ipv6_host_is_shown_with_the_ban_of_its_network(tmp_path: Path) -> None:
    """What is counted as one is banned as one."""

    async def test(rig: Rig) -> None:
        network = parse_network("2001:db8::/64")
        rig.service.engine.ban(network, int(time.time()), rule="by hand", reason="")
        document = await show(rig, "2001:db8::7")
        assert (document["client"], document["ban"]["client"]) == ("2001:db8::7", "2001:db8::/64")

    run(tmp_path, test)


def test_a_ledger_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in memory is told all the same."""

    def fail(path: Path) -> None:
        raise LedgerError(Trouble.CORRUPT, path)

    async def test(rig: Rig) -> None:
        rig.service.engine.ban(CLIENT, int(time.time()), rule="by hand", reason="")
        monkeypatch.setattr("filter_ban.daemon.commands.open_reader", fail)
        document = await show(rig, "192.0.2.7")
        assert document["ban"]["client"] == "192.0.2.7"
        assert (document["events"], document["past_bans"], document["logins"]) == ([], [], None)
        assert document["problem"]

    run(tmp_path, test)


def test_status(tmp_path: Path) -> None:
    """Logins that wait or were lost are told beside bans and strikes."""

    async def test(rig: Rig) -> None:
        (status,) = [part async for part in Commands(rig.service).status({})]
        ledger = status["ledger"]
        for what in ("bans", "strikes", "logins"):
            assert (ledger[f"pending_{what}"], ledger[f"dropped_{what}"]) == (0, 0)
        assert (status["besieged"], status["recording"], status["listeners"]) == (0, None, [])

    run(tmp_path, test)
