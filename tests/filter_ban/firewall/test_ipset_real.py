# SPDX-License-Identifier: ISC
"""Tests for ipset and iptables in the kernel: who can still connect, and what an entry is there."""

import ipaddress
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from filter_ban.client import make_key, parse_network
from filter_ban.firewall import Change, Command, DesiredTable, Runner
from filter_ban.firewall.ipset import Ipset
from filter_ban.firewall.iptables_rules import rules, uses_set, verdict_rules
from tests.filter_ban.firewall.ipset_rig import (
    NETWORKS,
    REASON,
    entries,
    install,
    keys,
    runner_on,
    saved,
)
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
    PORT,
    SIBLING6,
    SILENCE_S,
    Wire,
    laid_wire,
)

pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(REASON), reason=REASON)]

PLACES = [("raw", "PREROUTING"), ("filter", "INPUT")]


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    """Lay the wire."""
    with laid_wire() as wire:
        yield wire


@pytest.fixture
def iptables(request: pytest.FixtureRequest) -> str:
    """Return which iptables is meant by the name: ``nft``, or ``legacy`` where a test asks for it."""
    return str(getattr(request, "param", "nft"))


@pytest.fixture
def run(wire: Wire, iptables: str, tmp_path: Path) -> Iterator[Runner]:
    """Return a runner in the server's namespace, without sets and rules."""
    with runner_on(wire, tmp_path, iptables) as run:
        yield run


def timeout_s(run: Runner) -> int:
    """Return the time that the only entry has left."""
    (line,) = (
        line for line in run(Command(("ipset", "save"))).decode().splitlines() if line.startswith("add ")
    )
    return int(line.split(" ")[4])


@pytest.mark.parametrize("iptables", ["nft", "legacy"], indirect=True)
@pytest.mark.parametrize(("table", "chain"), PLACES)
def test_banned_clients_cannot_connect_and_others_can(
    wire: Wire, run: Runner, table: str, chain: str
) -> None:
    """An address, an IPv6 /64 and a /24 are shut out; their neighbours notice nothing."""
    install(run, table=table, chain=chain)
    assert all(wire.is_open(client) for client in CLIENTS)
    desired = DesiredTable(Ipset(), run)

    report = desired.apply(keys(*NETWORKS), [], 0)

    assert not report.problem
    assert set(report.in_force) == keys(*NETWORKS).keys()
    assert all(wire.is_shut(client) for client in (BANNED, BANNED6, SIBLING6, MEMBER, COUSIN))
    assert wire.is_open(FRIEND)
    assert wire.is_open(FRIEND6)
    assert all(packets > 0 for packets in entries(run).values())

    desired.apply({}, report.in_force, 0)
    assert all(wire.is_open(client) for client in CLIENTS)


@pytest.mark.parametrize(("table", "chain"), PLACES)
@pytest.mark.parametrize("client", [BANNED, BANNED6, MEMBER])
def test_open_sessions_die(wire: Wire, run: Runner, client: str, table: str, chain: str) -> None:
    """After the ban not one more byte of an open connection arrives, although a later rule accepts it."""
    install(run, table=table, chain=chain)
    with open_session(wire, client) as (local, remote):
        DesiredTable(Ipset(), run).apply(keys(*NETWORKS), [], 0)
        remote.sendall(b"AUTH")

        local.settimeout(SILENCE_S)
        with pytest.raises(TimeoutError):
            local.recv(4)


def test_ports_limit_what_is_closed(wire: Wire, run: Runner) -> None:
    """With ports only those are closed, also the sixteenth, which stands in a rule of its own."""
    install(run, ports=[*range(25, 40), PORT])
    report = DesiredTable(Ipset(), run).apply(keys(*NETWORKS), [], 0)

    assert not report.problem
    assert wire.is_shut(BANNED, PORT)
    assert wire.is_shut(SIBLING6, PORT)
    assert wire.is_open(BANNED, OTHER_PORT)
    assert wire.is_open(SIBLING6, OTHER_PORT)


@pytest.mark.parametrize("client", [BANNED, BANNED6])
def test_rejected_clients_get_a_reset(wire: Wire, run: Runner, client: str) -> None:
    """A rejected client need not wait."""
    install(run, action="reject")
    DesiredTable(Ipset(), run).apply(keys(*NETWORKS), [], 0)

    with pytest.raises(ConnectionRefusedError):
        wire.connect(client)


@pytest.mark.parametrize("iptables", ["nft", "legacy"], indirect=True)
@pytest.mark.parametrize("action", ["drop", "reject"])
@pytest.mark.parametrize("ports", [(), (25,), range(1, 32)])
@pytest.mark.parametrize(("family", "tool"), [(4, "iptables-save"), (6, "ip6tables-save")])
def test_own_rules_are_recognised_as_iptables_prints_them(
    run: Runner, family: int, tool: str, ports: Sequence[int], action: str
) -> None:
    """They are printed as they were written, but for what REJECT says by itself."""
    install(run, ports=ports, action=action, families=[family])

    printed = run(Command((tool,))).decode()

    assert uses_set(printed, f"filter-ban{family}")
    for line in (*rules("filter-ban", family, ports, action, "INPUT"), *verdict_rules("filter-ban", action)):
        assert f"\n{line}" in printed


def test_everything_may_be_repeated(run: Runner) -> None:
    """Adding what is there, removing what is not, and setting up twice are no errors and change nothing."""
    install(run)
    first = DesiredTable(Ipset(), run)
    first.apply(keys(*NETWORKS), [], 0)
    before = saved(run)

    for _ in range(2):
        report = DesiredTable(Ipset(), run).apply(keys(*NETWORKS), [parse_network(FRIEND)], 0)
        assert not report.failed
        assert not first.apply({}, [parse_network(FRIEND)], 0).problem
    for command in Ipset().setup_commands([(32, 32), (128, 64)]):
        run(command)

    assert before == saved(run)


def test_new_time_keeps_the_count(wire: Wire, run: Runner) -> None:
    """A longer, a shorter and an endless ban change the time of an entry, and not what it has counted."""
    install(run)
    table = DesiredTable(Ipset(), run)
    table.apply(keys(BANNED, life_s=900), [], 0)
    assert 900 < timeout_s(run) <= 960
    assert wire.is_shut(BANNED)
    (packets,) = entries(run).values()
    assert packets > 0

    table.apply(keys(BANNED, life_s=7200), [], 0)
    assert 7200 < timeout_s(run) <= 7260
    table.apply(keys(BANNED, life_s=60), [], 0)
    assert 60 < timeout_s(run) <= 120
    table.apply({parse_network(BANNED): None}, [], 0)
    assert timeout_s(run) == 0
    table.apply(keys(BANNED, life_s=10**9), [], 0)
    assert timeout_s(run) == 0

    assert entries(run)[parse_network(BANNED)] >= packets


def test_kernel_ends_entries_by_itself(wire: Wire, run: Runner) -> None:
    """When nobody removes an entry, its timeout does."""
    install(run)
    DesiredTable(Ipset(), run).apply(keys(BANNED), [], 0)
    for command in Ipset().change_commands(Change(adds=[(parse_network(FRIEND), 2)])):
        run(command)
    assert wire.is_shut(FRIEND)

    deadline = time.monotonic() + 20
    while wire.is_shut(FRIEND):
        assert time.monotonic() < deadline

    assert wire.is_shut(BANNED)


def test_every_prefix_length_works(run: Runner) -> None:
    """One set holds all prefix lengths of a family, and all of them are read back."""
    install(run)
    networks = [make_key(socket.inet_pton(socket.AF_INET, "198.51.100.7"), prefix) for prefix in range(1, 33)]
    networks += [make_key(socket.inet_pton(socket.AF_INET6, BANNED6), prefix) for prefix in range(1, 129, 3)]
    table = DesiredTable(Ipset(), run)

    report = table.apply(dict.fromkeys(networks), [], 0)

    assert set(report.in_force) == set(networks)
    assert not table.sync(0).drifted


def test_hundred_thousand_entries_are_one_command(run: Runner) -> None:
    """A full load is one batch, and all of it is read back."""
    install(run)
    first = int(ipaddress.IPv4Address("10.0.0.0"))
    clients = {make_key((first + number * 3).to_bytes(4), 32): 900 for number in range(100_000)}
    sent: list[Command] = []

    def watched(command: Command) -> bytes:
        sent.append(command)
        return run(command)

    table = DesiredTable(Ipset(), watched)

    report = table.apply(clients, [], 0)

    assert len(report.in_force) == 100_000
    assert len([command for command in sent if command.stdin]) == 1
    assert entries(run).keys() == clients.keys()
