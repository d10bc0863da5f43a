# SPDX-License-Identifier: ISC
"""Tests for nftables in the kernel: two network namespaces, a wire between them, and many clients on one end."""

import contextlib
import ipaddress
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from errno import EACCES, EHOSTUNREACH
from typing import Any

import pytest

from filter_ban.client import ClientKey, make_key, parse_network
from filter_ban.firewall import Change, Command, DesiredTable, Runner
from filter_ban.firewall.base import net_of
from filter_ban.firewall.nftables import HOOKS, Nftables
from tests.filter_ban.firewall.sessions import open_session
from tests.filter_ban.firewall.wire import (
    BANNED,
    BANNED6,
    CLIENTS,
    COUSIN,
    FRIEND,
    FRIEND6,
    MEMBER,
    OTHER_PORT,
    PATIENCE_S,
    PORT,
    SERVER,
    SIBLING6,
    SILENCE_S,
    Wire,
    inside,
)

REASON = "needs root and nft" if os.geteuid() != 0 or not shutil.which("nft", path="/usr/sbin:/sbin") else ""
pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(REASON), reason=REASON)]


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    """Lay the wire; the server listens on both ports and families."""
    wire = Wire()
    with contextlib.ExitStack() as stack:
        stack.callback(wire.cut)
        wire.lay()
        for family in SERVER:
            for port in (PORT, OTHER_PORT):
                stack.enter_context(wire.listen(family, port))
        yield wire


@pytest.fixture
def run(wire: Wire) -> Iterator[Runner]:
    """Return a runner in the server's namespace, with an empty ruleset."""
    run = Runner(prefix=("ip", "netns", "exec", wire.server))
    run(Command(("nft", "flush", "ruleset")))
    yield run
    run(Command(("nft", "flush", "ruleset")))


SITE, WIDE = "2001:db8:1:2::/64", "203.0.113.0/24"
BANS = (BANNED, SITE, WIDE)
RENEWS = Nftables().renews


def keys(*networks: str, life_s: int = 900) -> dict[ClientKey, int | None]:
    """Return *networks* as what a table should hold from second 0 on."""
    return dict.fromkeys(map(parse_network, networks), life_s)


def packets(table: DesiredTable, *clients: str) -> list[int]:
    """Return how many packets of each of *clients* were dropped."""
    listed = table.read().clients
    assert isinstance(listed, Mapping)
    return [listed[key] for key in keys(*clients)]


def ruleset(run: Runner) -> str:
    """Return all rules, without elements."""
    return run(Command(("nft", "--terse", "list", "ruleset"))).decode()


def life_s(run: Runner, client: str) -> str:
    """Return the timeout of the element of *client* as nft prints it."""
    argv = ("nft", "get", "element", "inet", "filter_ban", "net4_32", f"{{ {client} }}")
    _, _, after = run(Command(argv)).decode().partition(" timeout ")
    return after.split(" ")[0]


def test_banned_clients_cannot_connect_and_others_can(wire: Wire, run: Runner) -> None:
    """An address, an IPv6 /64 and a /24 are shut out; their neighbours notice nothing."""
    assert all(wire.is_open(client) for client in CLIENTS)
    table = DesiredTable(Nftables(), run)

    report = table.apply(keys(*BANS), [], 0)

    assert len(report.in_force) == 3
    assert all(wire.is_shut(client) for client in (BANNED, BANNED6, SIBLING6, MEMBER, COUSIN))
    assert wire.is_open(FRIEND)
    assert wire.is_open(FRIEND6)

    table.apply({}, report.in_force, 0)
    assert all(wire.is_open(client) for client in CLIENTS)


def accept_established(run: Runner) -> None:
    """Let another table accept what connection tracking knows, in the place where administrators do."""
    script = (
        "add table inet admin\nadd chain inet admin input { type filter hook input priority 0; }\n"
        "add rule inet admin input ct state established accept\n"
    )
    run(Command(("nft", "-f", "-"), script.encode()))


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("client", [BANNED, BANNED6, MEMBER])
def test_open_sessions_die(wire: Wire, run: Runner, client: str, hook: str) -> None:
    """After the ban not one more byte of an open connection arrives, although another table accepts it."""
    accept_established(run)
    with open_session(wire, client) as (local, remote):
        DesiredTable(Nftables(hook=hook), run).apply(keys(*BANS), [], 0)
        remote.sendall(b"AUTH")

        local.settimeout(SILENCE_S)
        with pytest.raises(TimeoutError):
            local.recv(4)


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("client", [BANNED, BANNED6, MEMBER])
def test_reject_resets_open_sessions(wire: Wire, run: Runner, client: str, hook: str) -> None:
    """With reject the client of an open session is told at once, and the server hears nothing of it."""
    accept_established(run)
    with open_session(wire, client) as (local, remote):
        DesiredTable(Nftables(hook=hook, action="reject"), run).apply(keys(*BANS), [], 0)
        remote.sendall(b"AUTH")

        with pytest.raises(ConnectionResetError):
            remote.recv(4)
        local.settimeout(SILENCE_S)
        with pytest.raises(TimeoutError):
            local.recv(4)


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("ports", [(), (PORT,)])
def test_reject_answers_at_once(wire: Wire, run: Runner, hook: str, ports: tuple[int, ...]) -> None:
    """A rejected client sees its connection refused; others notice nothing, and the tries are counted."""
    table = DesiredTable(Nftables(hook=hook, action="reject", ports=ports), run)
    table.apply(keys(*BANS), [], 0)

    for client in (BANNED, SIBLING6, COUSIN):
        with pytest.raises(ConnectionRefusedError):
            wire.connect(client)

    assert wire.is_open(FRIEND)
    assert wire.is_open(FRIEND6)
    assert 0 not in packets(table, *BANS)
    assert table.sync(0).rule_present


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(("client", "error"), [(BANNED, EHOSTUNREACH), (BANNED6, EACCES)])
def test_reject_answers_other_protocols_by_icmp(
    wire: Wire, run: Runner, hook: str, client: str, error: int
) -> None:
    """A datagram is answered with "administratively prohibited"."""
    DesiredTable(Nftables(hook=hook, action="reject"), run).apply(keys(*BANS), [], 0)
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    with inside(wire.clients), socket.socket(family, socket.SOCK_DGRAM) as remote:
        remote.settimeout(PATIENCE_S)
        remote.bind((client, 0))
        remote.connect((SERVER[family], PORT))
        remote.send(b"?")

        with pytest.raises(OSError, match=os.strerror(error)):
            remote.recv(1)


@pytest.mark.parametrize("hook", HOOKS)
def test_packets_are_counted_for_each_client(wire: Wire, run: Runner, hook: str) -> None:
    """The listing tells how often a client was dropped; another time for its ban takes nothing of that away."""
    table = DesiredTable(Nftables(hook=hook), run)
    table.apply(keys(*BANS, FRIEND), [], 0)
    assert wire.is_shut(BANNED)
    assert wire.is_shut(COUSIN)
    tried, other, friend = packets(table, BANNED, WIDE, FRIEND)
    assert (tried > 0, other > 0, friend) == (True, True, 0)

    table.apply(keys(BANNED, life_s=7200), [], 0)
    table.apply({parse_network(WIDE): None}, [], 0)

    assert life_s(run, BANNED) == "2h1m"
    if RENEWS:  # more may have come meanwhile: what earlier tests have cut off is still sent again
        tried_now, other_now = packets(table, BANNED, WIDE)
        assert tried_now >= tried
        assert other_now >= other


@pytest.mark.parametrize(
    "changed",
    [{"hook": "input"}, {"action": "reject"}, {"ports": [PORT]}, {"hook": "input", "action": "reject"}],
)
def test_changed_settings_are_written(wire: Wire, run: Runner, changed: dict[str, Any]) -> None:
    """The first sync after a change of hook, action or ports mends the rules; entries and counters stay."""
    DesiredTable(Nftables(), run).apply(keys(*BANS), [], 0)
    assert wire.is_shut(BANNED)
    table = DesiredTable(Nftables(**changed), run)
    table.replace(keys(*BANS))
    (counted,) = packets(table, BANNED)

    assert not table.sync(0).drifted
    assert packets(table, BANNED)[0] >= counted > 0
    expected = ConnectionRefusedError if changed.get("action") == "reject" else TimeoutError
    with pytest.raises(expected):
        wire.connect(BANNED, patience_s=SILENCE_S)
    with contextlib.nullcontext() if "ports" in changed else pytest.raises(expected):
        wire.connect(BANNED, OTHER_PORT, patience_s=SILENCE_S).close()
    outputs = [run(command) for command in Nftables().check_commands()]
    assert Nftables(**changed).parse_check(outputs).ready == frozenset(map(net_of, keys(*BANS)))
    assert not Nftables().parse_check(outputs).ready


def test_ports_limit_what_is_closed(wire: Wire, run: Runner) -> None:
    """With ports only those are closed; a changed setting is written by the next sync."""
    DesiredTable(Nftables(ports=[25, PORT]), run).apply(keys(BANNED, "2001:db8:1:2::/64"), [], 0)
    assert wire.is_shut(BANNED, PORT)
    assert wire.is_shut(SIBLING6, PORT)
    assert wire.is_open(BANNED, OTHER_PORT)

    table = DesiredTable(Nftables(), run)
    table.replace(keys(BANNED, "2001:db8:1:2::/64"))
    table.sync(0)

    assert wire.is_shut(BANNED, OTHER_PORT)


def test_everything_may_be_repeated(run: Runner) -> None:
    """Adding what is there, removing what is not, and setting up twice are no errors and change nothing."""
    first = DesiredTable(Nftables(), run)
    first.apply(keys(BANNED, "2001:db8:1:2::/64"), [], 0)
    before = ruleset(run)

    for _ in range(2):
        report = DesiredTable(Nftables(), run).apply(
            keys(BANNED, "2001:db8:1:2::/64"), [parse_network(FRIEND)], 0
        )
        assert not report.failed
        assert not first.apply({}, [parse_network(FRIEND)], 0).problem
    for command in Nftables().setup_commands([(32, 32), (128, 64)]):
        run(command)

    assert before == ruleset(run)
    assert before.count("drop") == 2


def test_time_of_an_entry_follows_the_ban(run: Runner) -> None:
    """An entry lives a minute longer than its ban; a longer, a shorter and an endless ban change it."""
    table = DesiredTable(Nftables(), run)

    table.apply(keys(BANNED, life_s=900), [], 0)
    assert life_s(run, BANNED) == "16m"
    table.apply(keys(BANNED, life_s=7200), [], 0)
    assert life_s(run, BANNED) == "2h1m"
    table.apply(keys(BANNED, life_s=60), [], 0)
    assert life_s(run, BANNED) == "2m"
    table.apply({parse_network(BANNED): None}, [], 0)
    assert life_s(run, BANNED) == ""


def test_kernel_ends_entries_by_itself(wire: Wire, run: Runner) -> None:
    """When nobody removes an entry, its timeout does."""
    DesiredTable(Nftables(), run).apply(keys(BANNED), [], 0)
    for command in Nftables().change_commands(Change(adds=[(parse_network(FRIEND), 2)])):
        run(command)
    assert wire.is_shut(FRIEND)

    deadline = time.monotonic() + 20
    while wire.is_shut(FRIEND):
        assert time.monotonic() < deadline

    assert wire.is_shut(BANNED)


def test_flush_is_repaired(wire: Wire, run: Runner) -> None:
    """After `nft flush ruleset` a sync, or the next change, restores table, rules and entries."""
    table = DesiredTable(Nftables(), run)
    table.apply(keys(*BANS), [], 0)

    run(Command(("nft", "flush", "ruleset")))
    assert wire.is_open(BANNED)
    assert len(table.sync(0).drifted) == 3
    assert wire.is_shut(BANNED)

    run(Command(("nft", "flush", "ruleset")))
    report = table.apply(keys("192.0.2.200"), [], 0)
    assert len(report.drifted) == 3
    assert wire.is_shut(SIBLING6)


@pytest.mark.parametrize(
    "damage",
    [
        "flush chain inet filter_ban net4_32",
        "delete chain inet filter_ban net4_32; add chain inet filter_ban net4_32",
        "delete chain inet filter_ban net4_32",
        "insert rule inet filter_ban net4_32 accept",
    ],
)
def test_rule_is_repaired(wire: Wire, run: Runner, damage: str) -> None:
    """A rule that is gone, or no longer the only one of its chain, is noticed and written anew."""
    table = DesiredTable(Nftables(), run)
    table.apply(keys(BANNED), [], 0)
    run(Command(("nft", *damage.split())))
    assert wire.is_open(BANNED)

    report = table.sync(0)

    assert report.rule_present is False
    assert wire.is_shut(BANNED)
    assert table.sync(0).rule_present


def test_foreign_entries_are_removed(wire: Wire, run: Runner) -> None:
    """An element that somebody put into our set is taken out."""
    table = DesiredTable(Nftables(), run)
    table.apply(keys(BANNED), [], 0)
    run(Command(("nft", "add", "element", "inet", "filter_ban", "net4_32", f"{{ {FRIEND} }}")))
    assert wire.is_shut(FRIEND)

    report = table.sync(0)

    assert list(report.foreign) == [parse_network(FRIEND)]
    assert wire.is_open(FRIEND)


def test_restart_touches_nothing(run: Runner) -> None:
    """A new process with the same bans sends no change: the kernel's clock runs on."""
    DesiredTable(Nftables(), run).apply(keys(BANNED, "203.0.113.0/24"), [], 0)
    seen: list[Command] = []

    def watched(command: Command) -> bytes:
        seen.append(command)
        return run(command)

    table = DesiredTable(Nftables(), watched)
    table.replace(keys(BANNED, "203.0.113.0/24"))
    report = table.sync(300)

    assert len(report.in_force) == 2
    assert all("list" in command.argv for command in seen)


def test_other_tables_are_left_alone(run: Runner) -> None:
    """Whatever we do, the administrator's tables stay, also one with sets and chains named like ours."""
    admin = (
        "add table inet admin\nadd set inet admin net4_32 { type ipv4_addr; }\n"
        "add chain inet admin net4_32 { type filter hook input priority 0; }\n"
        "add rule inet admin net4_32 ip saddr @net4_32 accept\nadd element inet admin net4_32 { 192.0.2.99 }\n"
        "add table ip filter_ban\nadd chain ip filter_ban net4_32\n"
    )
    run(Command(("nft", "-f", "-"), admin.encode()))
    before = run(Command(("nft", "list", "ruleset")))
    table = DesiredTable(Nftables(), run)

    table.apply(keys(BANNED), [], 0)
    table.sync(0)
    run(Command(("nft", "delete", "table", "inet", "filter_ban")))
    assert list(table.sync(0).drifted) == [parse_network(BANNED)]

    run(Command(("nft", "delete", "table", "inet", "filter_ban")))
    assert before == run(Command(("nft", "list", "ruleset")))


def test_every_prefix_length_works(run: Runner) -> None:
    """Each mask has its own set and rule, and all of them are read back."""
    networks = [make_key(socket.inet_pton(socket.AF_INET, "198.51.100.7"), prefix) for prefix in range(8, 33)]
    networks += [make_key(socket.inet_pton(socket.AF_INET6, BANNED6), prefix) for prefix in range(16, 129, 7)]
    table = DesiredTable(Nftables(), run)

    report = table.apply(dict.fromkeys(networks), [], 0)

    assert set(report.in_force) == set(networks)
    assert not table.sync(0).drifted
    assert table.sync(0).rule_present


def test_hundred_thousand_entries_are_one_command(run: Runner) -> None:
    """A full load is one transaction, and all of it is read back."""
    first = int(ipaddress.IPv4Address("10.0.0.0"))
    clients = {make_key((first + number * 3).to_bytes(4), 32): 900 for number in range(100_000)}
    sent: list[Command] = []

    def watched(command: Command) -> bytes:
        sent.append(command)
        return run(command)

    table = DesiredTable(Nftables(), watched)

    report = table.apply(clients, [], 0)

    assert len(report.in_force) == 100_000
    assert len([command for command in sent if b"add element" in command.stdin]) == 1
    assert table.read().clients == dict.fromkeys(clients, 0)
