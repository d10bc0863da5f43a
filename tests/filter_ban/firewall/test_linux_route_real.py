# SPDX-License-Identifier: ISC
"""Tests for routes into nothing in the kernel, over the same wire as nftables."""

import contextlib
import ipaddress
import os
import shutil
from collections.abc import Iterator

import pytest

from filter_ban.client import ClientKey, make_key, parse_network
from filter_ban.firewall import Command, DesiredTable, Runner
from filter_ban.firewall.linux_route import LinuxRoute
from tests.filter_ban.firewall.sessions import open_session
from tests.filter_ban.firewall.wire import (
    BANNED,
    BANNED6,
    CLIENTS,
    COUSIN,
    FRIEND,
    FRIEND6,
    MEMBER,
    PORT,
    SERVER,
    SIBLING6,
    SILENCE_S,
    Wire,
)

REASON = "needs root and ip" if os.geteuid() != 0 or not shutil.which("ip", path="/usr/sbin:/sbin") else ""
pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(REASON), reason=REASON)]

SITE, WIDE = "2001:db8:1:2::/64", "203.0.113.0/24"
BANS = (BANNED, SITE, WIDE)
ACTIONS = ("drop", "reject")


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    """Lay the wire; to the server all clients are somewhere behind its default route."""
    wire = Wire()
    with contextlib.ExitStack() as stack:
        stack.callback(wire.cut)
        wire.lay()
        run = Runner(prefix=("ip", "-n", wire.server))
        run(Command(("route", "add", "default", "dev", "wire0")))
        run(Command(("route", "del", WIDE)))
        for family in SERVER:
            stack.enter_context(wire.listen(family, PORT))
        yield wire


@pytest.fixture
def run(wire: Wire) -> Iterator[Runner]:
    """Return a runner in the server's namespace; the routes are afterwards what they were before."""
    run = Runner(prefix=("ip", "netns", "exec", wire.server))
    before = routes(run)
    yield run
    for family in ("-4", "-6"):
        run(Command(("ip", family, "route", "flush", "proto", "221")))
    assert before == routes(run)


def routes(run: Runner) -> list[str]:
    """Return all routes of the main table."""
    outputs = (run(Command(("ip", family, "route"))) for family in ("-4", "-6"))
    return sorted(line.strip() for output in outputs for line in output.decode().splitlines())


def keys(*networks: str) -> dict[ClientKey, int | None]:
    """Return *networks* as what a table should hold from second 0 on."""
    return dict.fromkeys(map(parse_network, networks), 900)


@pytest.mark.parametrize("action", ACTIONS)
def test_banned_clients_cannot_connect_and_others_can(wire: Wire, run: Runner, action: str) -> None:
    """An address, an IPv6 /64 and a /24 get no answer; their neighbours notice nothing."""
    assert all(wire.is_open(client) for client in CLIENTS)
    table = DesiredTable(LinuxRoute(action=action), run)

    report = table.apply(keys(*BANS), [], 0)

    assert set(report.in_force) == set(keys(*BANS))
    assert all(wire.is_shut(client) for client in (BANNED, BANNED6, SIBLING6, MEMBER, COUSIN))
    assert wire.is_open(FRIEND)
    assert wire.is_open(FRIEND6)

    table.apply({}, report.in_force, 0)
    assert all(wire.is_open(client) for client in CLIENTS)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("client", "rp_filter", "arrives"),
    [(BANNED, 0, True), (BANNED, 1, False), (BANNED, 2, False), (MEMBER, 1, False), (BANNED6, 1, True)],
)
def test_open_sessions_get_no_more_answers(
    wire: Wire, run: Runner, action: str, client: str, rp_filter: int, *, arrives: bool
) -> None:
    """What the server writes leaves no more; what the client writes arrives where its way back is not looked at."""
    for interface in ("all", "wire0"):
        run(Command(("sysctl", "-qw", f"net.ipv4.conf.{interface}.rp_filter={rp_filter}")))
    with open_session(wire, client) as (local, remote):
        DesiredTable(LinuxRoute(action=action), run).apply(keys(*BANS), [], 0)
        remote.sendall(b"AUTH")
        local.settimeout(SILENCE_S)
        with contextlib.nullcontext() if arrives else pytest.raises(TimeoutError):
            assert local.recv(4) == b"AUTH"
        local.sendall(b"235 ")

        remote.settimeout(SILENCE_S)
        with pytest.raises(TimeoutError):
            remote.recv(4)


def test_everything_may_be_repeated(run: Runner) -> None:
    """Adding what is there, and removing what is not, are no errors and change nothing."""
    first = DesiredTable(LinuxRoute(), run)
    first.apply(keys(*BANS), [], 0)
    before = routes(run)

    for _ in range(2):
        assert not DesiredTable(LinuxRoute(), run).apply(keys(*BANS), keys(FRIEND, FRIEND6), 0).failed
        assert not first.apply(keys(*BANS), keys(FRIEND, FRIEND6), 0).problem

    assert before == routes(run)


def test_routes_of_others_are_left_alone(wire: Wire, run: Runner) -> None:
    """A ban beside a route for the same prefix, and its end, change nothing of that route."""
    others = (
        f"route add {BANNED} dev wire0",
        f"route add {FRIEND} dev wire0 metric 100",
        f"route add {SITE} dev wire0",
        "route add blackhole 198.51.100.99",
        "route add blackhole 198.51.100.98 proto static metric 13",
        "route add blackhole 198.51.100.97 proto 221",
    )
    for line in others:
        run(Command(("ip", *line.split())))
    before = routes(run)
    table = DesiredTable(LinuxRoute(), run)
    networks = keys(*BANS, FRIEND, "198.51.100.99", "198.51.100.97")

    table.apply(networks, [], 0)
    assert set(before) < set(routes(run))
    assert wire.is_shut(FRIEND)
    assert wire.is_shut(BANNED6)
    assert wire.is_open(BANNED)  # a route without a metric goes before ours
    assert not table.sync(0).foreign
    table.apply({}, networks, 0)

    assert before == routes(run)
    for line in others:
        run(Command(("ip", *line.replace("add", "del").split())))


def test_drift_is_repaired(wire: Wire, run: Runner) -> None:
    """What was deleted comes back, and what was put among ours goes."""
    table = DesiredTable(LinuxRoute(), run)
    table.apply(keys(*BANS), [], 0)

    run(Command(("ip", "-4", "route", "flush", "proto", "221")))
    run(Command(("ip", "route", "add", "blackhole", FRIEND, "metric", "13", "proto", "221")))
    assert wire.is_open(BANNED)
    report = table.sync(0)

    assert set(report.drifted) == set(keys(BANNED, WIDE))
    assert list(report.foreign) == list(keys(FRIEND))
    assert wire.is_shut(BANNED)
    assert wire.is_open(FRIEND)
    assert not table.sync(0).drifted


def test_changed_action_is_no_drift(wire: Wire, run: Runner) -> None:
    """Routes of the former action serve on, and go when their ban ends."""
    DesiredTable(LinuxRoute(), run).apply(keys(*BANS), [], 0)
    table = DesiredTable(LinuxRoute(action="reject"), run)
    table.replace(keys(BANNED, SITE))

    report = table.sync(0)

    assert set(report.in_force) == set(keys(BANNED, SITE))
    assert list(report.foreign) == list(keys(WIDE))
    assert wire.is_open(COUSIN)
    table.apply({}, keys(BANNED, SITE), 0)
    assert wire.is_open(BANNED)
    assert wire.is_open(BANNED6)


def test_restart_touches_nothing(run: Runner) -> None:
    """A new process with the same bans only looks."""
    DesiredTable(LinuxRoute(), run).apply(keys(*BANS), [], 0)
    seen: list[Command] = []

    def watched(command: Command) -> bytes:
        seen.append(command)
        return run(command)

    table = DesiredTable(LinuxRoute(), watched)
    table.replace(keys(*BANS))
    report = table.sync(300)

    assert set(report.in_force) == set(keys(*BANS))
    assert all("show" in command.argv for command in seen)


def test_ten_thousand_routes_are_one_command(run: Runner) -> None:
    """A load of both families is one batch, and all of it is read back."""
    first, first6 = (int(ipaddress.ip_address(address)) for address in ("10.0.0.0", "2001:db8:100::"))
    clients = {make_key((first + number * 3).to_bytes(4), 32): 900 for number in range(9_000)}
    clients |= {make_key((first6 + (number << 64)).to_bytes(16), 64): 900 for number in range(1_000)}
    sent: list[Command] = []

    def watched(command: Command) -> bytes:
        sent.append(command)
        return run(command)

    table = DesiredTable(LinuxRoute(), watched)

    report = table.apply(clients, [], 0)

    assert len(report.in_force) == 10_000
    assert len([command for command in sent if "-batch" in command.argv]) == 1
    assert table.read().clients == dict.fromkeys(clients, 0)
