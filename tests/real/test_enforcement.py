# SPDX-License-Identifier: ISC
"""Bans that are in force, and what happens when somebody else changes the firewall, with a real smtpd and nftables."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.real.client import Clients
from tests.real.filterban import RELAY_COMMAND, FilterBan
from tests.real.machine import Machine
from tests.real.network import SMTP
from tests.real.polling import wait_until
from tests.real.smtpd import RealSmtpd

StartSmtpd = Callable[[str], RealSmtpd]
StartFilterBan = Callable[[str], FilterBan]

BOT, SITE, NETWORK = "10.99.0.66", "fd00:99:0:1::/64", "10.99.7.0/24"
SILENCE_S = 0.5  # for what the kernel drops
NFTABLES = '[firewall]\nbackend = "nftables"\n'
ADMINS_OWN = """
table inet admin {
    set friends { type ipv4_addr; elements = { 192.0.2.1 } }
    chain input { type filter hook input priority 0; ip saddr @friends accept; }
}
"""


def state(filterban: FilterBan, client: str) -> Any:
    """Return how the entry of a client is."""
    return filterban.json("show", client)["ban"]["enforcement"]


def backend(filterban: FilterBan) -> dict[str, Any]:
    """Return what status says of the one backend."""
    (one,) = filterban.json("status")["firewall"]["backends"]
    return dict(one)


def greeting(clients: Clients, source: str) -> int:
    """Return the code that smtpd greets with; 0 where the kernel drops the client."""
    try:
        with clients.connect(source, SMTP, SILENCE_S) as session:
            return session.greeting.code
    except TimeoutError:
        return 0


def rules(listing: bytes) -> list[str]:
    """Return the lines of a listing in order, without the times of elements, which go on."""
    return sorted(re.sub(r"timeout \w+", "", listing.decode()).splitlines())


def start_with_bans(start: StartFilterBan) -> FilterBan:
    """Start the daemon with a host, an IPv6 site and a network banned."""
    filterban = start(NFTABLES)
    filterban.run("ban", BOT, SITE, NETWORK, "--for", "1h")
    wait_until(lambda: backend(filterban)["in_force"] == 3, "the bans are in force")
    return filterban


TABLE = "inet filter_ban"
DRIFTS = {
    "flushed ruleset": ("flush ruleset", 3, 0),
    "table dropped": (f"delete table {TABLE}", 3, 0),
    "one deleted": (f"delete element {TABLE} net4_32 {{ {BOT} }}", 1, 0),
    "a foreign one": (f"add element {TABLE} net4_32 {{ 192.0.2.99 }}", 0, 1),
    "set emptied": (f"flush set {TABLE} net6_64", 1, 0),
    "rule removed": (f"flush chain {TABLE} net4_32", 0, 0),
    "chain removed": (f"flush chain {TABLE} net4_32; delete chain {TABLE} net4_32", 0, 0),
}


@pytest.mark.parametrize(("change", "missing", "foreign"), DRIFTS.values(), ids=DRIFTS.keys())
def test_drift_is_found_and_repaired(
    machine: Machine, start_filterban: StartFilterBan, change: str, missing: int, foreign: int
) -> None:
    """Whatever was done to our table, a comparison says what and undoes it; the admin's own rules stay as they are."""
    filterban = start_with_bans(start_filterban)
    before = machine.run(["nft", "--stateless", "list", "table", *TABLE.split()]).stdout
    machine.run(["nft", "-f", "-"], stdin=change.replace("; ", "\n").encode())
    machine.run(["nft", "-f", "-"], stdin=ADMINS_OWN.encode())
    admins = machine.run(["nft", "list", "table", "inet", "admin"]).stdout

    filterban.run("resync")

    found = backend(filterban)
    assert (found["ok"], found["missing"], found["foreign"]) == (True, missing, foreign)
    assert (found["in_force"], found["rule_present"]) == (3, True)
    assert "firewall-drifted backend=nftables" in filterban.log()
    after = machine.run(["nft", "--stateless", "list", "table", *TABLE.split()]).stdout
    assert rules(after) == rules(before)
    assert machine.run(["nft", "list", "table", "inet", "admin"]).stdout == admins


def test_a_banned_client_that_is_heard_is_an_alarm_and_the_rule_comes_back(
    machine: Machine, clients: Clients, start_filterban: StartFilterBan, start_smtpd: StartSmtpd
) -> None:
    """With the rule gone the client is refused in the dialogue; that it gets there at all is told, checked and mended."""
    filterban = start_with_bans(start_filterban)
    start_smtpd(RELAY_COMMAND)
    assert greeting(clients, BOT) == 0
    machine.run(["nft", "flush", "chain", *TABLE.split(), "net4_32"])
    codes = []

    def is_shut_again() -> bool:
        codes.append(greeting(clients, BOT))
        return codes[-1] == 0

    wait_until(is_shut_again, "the kernel drops it again", 40)

    assert set(codes[:-1]) == {421}
    alarms = filterban.json("status")["firewall"]["alarms"]
    assert (alarms["client"], alarms["count"] > 0) == (BOT, True)
    assert any(BOT in problem for problem in filterban.json("status")["problems"])
    assert "alarm client=10.99.0.66" in filterban.log()


def test_dropped_packets_are_counted(
    clients: Clients, start_filterban: StartFilterBan, start_smtpd: StartSmtpd
) -> None:
    """What the kernel dropped is told for each ban and as a sum; a client that stayed away has nothing."""
    filterban = start_with_bans(start_filterban)
    start_smtpd(RELAY_COMMAND)
    assert greeting(clients, BOT) == 0
    assert greeting(clients, BOT) == 0

    dropped = {ban["client"]: ban["dropped"] for ban in filterban.json("list")["bans"]}
    assert dropped[BOT] >= 2
    assert (dropped[SITE], dropped[NETWORK]) == (0, 0)
    assert filterban.json("show", BOT)["ban"]["dropped"] >= 2
    assert backend(filterban)["dropped"] >= 2
    assert "packets dropped" in filterban.run("show", BOT).stdout.decode()


def test_a_reload_changes_the_firewall_and_not_the_bans(
    machine: Machine, start_filterban: StartFilterBan
) -> None:
    """A backend that is added gets all bans, other ports change its rule alone, and one that goes is emptied."""
    filterban = start_filterban("")
    filterban.run("ban", BOT, SITE, NETWORK, "--for", "1h")
    filterban.configure(NFTABLES)
    filterban.run("reload")
    wait_until(lambda: backend(filterban)["in_force"] == 3, "the bans are in force")
    before = machine.run(["nft", "--stateless", "list", "table", *TABLE.split()]).stdout.decode()

    filterban.configure(f"{NFTABLES}ports = [25, 587]\n")
    assert "firewall.ports" in filterban.run("reload").stdout.decode()
    wait_until(lambda: "dport" in filterban.table(), "the rule has changed")
    after = machine.run(["nft", "--stateless", "list", "table", *TABLE.split()]).stdout.decode()
    assert elements(after) == elements(before)
    assert backend(filterban)["missing"] == 0

    filterban.configure("")
    filterban.run("reload")
    wait_until(lambda: "elements" not in filterban.table(), "nothing is in the table any more")
    assert filterban.json("status")["firewall"]["backends"] == []
    assert len(filterban.json("list")["bans"]) == 3


def elements(listing: str) -> list[str]:
    """Return the lines with elements, with their whole times."""
    return [line.strip() for line in listing.splitlines() if "elements" in line]


def test_a_lift_by_reference_is_in_force_at_once(
    machine: Machine, clients: Clients, start_filterban: StartFilterBan, start_smtpd: StartSmtpd
) -> None:
    """From the text that a refused program shows: show tells why and which command lifts it; then the client is let in."""
    filterban = start_filterban('mode = "refuse"\n')
    start_smtpd(RELAY_COMMAND)
    with clients.open(BOT) as session:
        for number in range(5):
            session.login("alice", f"wrong-{number}")
    with clients.connect(BOT, SMTP) as session:
        refusal = session.greeting.text
    reference = refusal.rpartition("reference ")[2]
    filterban.configure(NFTABLES)
    filterban.run("reload")
    wait_until(lambda: greeting(clients, BOT) == 0, "the kernel drops it")

    told = filterban.run("show", reference).stdout.decode()
    lift = re.search(r"lift it +filter-ban (.*)", told)
    assert lift is not None
    assert "5 in 10m" in told
    filterban.run(*lift[1].split())

    wait_until(lambda: greeting(clients, BOT) == 220, "it is let in, by kernel and smtpd", 1)
