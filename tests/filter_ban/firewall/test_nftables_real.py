# SPDX-License-Identifier: ISC
"""Tests for nftables in the kernel: two network namespaces, a wire between them, and many clients on one end."""

import contextlib
import ctypes
import ipaddress
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_ban.client import ClientKey, make_key, parse_network
from filter_ban.firewall import Change, Command, DesiredTable, Nftables, Runner

REASON = "needs root and nft" if os.geteuid() != 0 or not shutil.which("nft", path="/usr/sbin:/sbin") else ""
pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(REASON), reason=REASON)]

PORT, OTHER_PORT = 2525, 2587
SERVER = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8:ff::1"}
BANNED, FRIEND, MEMBER, COUSIN = "198.51.100.7", "198.51.100.8", "203.0.113.5", "203.0.113.200"
BANNED6, SIBLING6, FRIEND6 = "2001:db8:1:2::7", "2001:db8:1:2:ffff::9", "2001:db8:1:3::7"
CLIENTS = (BANNED, FRIEND, MEMBER, COUSIN, BANNED6, SIBLING6, FRIEND6)
PATIENCE_S = 5.0  # for what must happen
SILENCE_S = 0.4  # for what must not


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Put this thread into a network namespace; sockets that it makes stay there."""
    libc = ctypes.CDLL(None, use_errno=True)
    ours, theirs = Path("/proc/thread-self/ns/net"), Path("/run/netns", namespace)
    with ours.open("rb") as here, theirs.open("rb") as there:
        assert libc.setns(there.fileno(), 0) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(here.fileno(), 0) == 0


def ip(*words: str) -> None:
    """Change addresses, links or namespaces with iproute2."""
    subprocess.run(["ip", *words], check=True, timeout=20, capture_output=True)


class Wire:
    """A server's and the clients' namespace, joined."""

    def __init__(self) -> None:
        self.server, self.clients = (f"fb{os.getpid()}{end}" for end in "sc")

    def lay(self) -> None:
        """Make both ends and their addresses."""
        for namespace in (self.server, self.clients):
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        ip(
            "link",
            "add",
            "wire0",
            "netns",
            self.server,
            "type",
            "veth",
            "peer",
            "wire0",
            "netns",
            self.clients,
        )
        for family, address in SERVER.items():
            self._address(self.server, address, 24 if family == socket.AF_INET else 48)
        for address in CLIENTS:
            self._address(self.clients, address, 128 if ":" in address else 32)
        for namespace in (self.server, self.clients):
            ip("-n", namespace, "link", "set", "wire0", "up")
        ip("-n", self.clients, "route", "add", "192.0.2.0/24", "dev", "wire0")
        ip("-n", self.clients, "-6", "route", "add", "2001:db8:ff::/48", "dev", "wire0")
        for network in ("198.51.100.0/24", "203.0.113.0/24", "2001:db8:1::/48"):
            ip("-n", self.server, "-6" if ":" in network else "-4", "route", "add", network, "dev", "wire0")

    def _address(self, namespace: str, address: str, prefix: int) -> None:
        dad = ["nodad"] if ":" in address else []
        ip("-n", namespace, "address", "add", f"{address}/{prefix}", "dev", "wire0", *dad)

    def cut(self) -> None:
        """Remove both ends."""
        for namespace in (self.server, self.clients):
            subprocess.run(["ip", "netns", "del", namespace], check=False, timeout=20, capture_output=True)

    def listen(self, family: socket.AddressFamily, port: int) -> socket.socket:
        """Return a listening socket of the server."""
        with inside(self.server):
            return socket.create_server((SERVER[family], port), family=family, backlog=64)

    def connect(self, client: str, port: int = PORT, *, patience_s: float = PATIENCE_S) -> socket.socket:
        """Return a connection from *client* to the server."""
        family = socket.AF_INET6 if ":" in client else socket.AF_INET
        with inside(self.clients):
            connection = socket.socket(family)
        try:
            connection.settimeout(patience_s)
            connection.bind((client, 0))
            connection.connect((SERVER[family], port))
        except OSError:
            connection.close()
            raise
        return connection

    def is_open(self, client: str, port: int = PORT) -> bool:
        """Return whether *client* can connect; the answer no takes its time."""
        return not self.is_shut(client, port, patience_s=PATIENCE_S)

    def is_shut(self, client: str, port: int = PORT, *, patience_s: float = SILENCE_S) -> bool:
        """Return whether *client* gets no answer for a while."""
        try:
            self.connect(client, port, patience_s=patience_s).close()
        except TimeoutError:
            return True
        return False


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


def keys(*networks: str, life_s: int = 900) -> dict[ClientKey, int | None]:
    """Return *networks* as what a table should hold from second 0 on."""
    return dict.fromkeys(map(parse_network, networks), life_s)


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

    report = table.apply(keys(BANNED, "2001:db8:1:2::/64", "203.0.113.0/24"), [], 0)

    assert len(report.in_force) == 3
    assert all(wire.is_shut(client) for client in (BANNED, BANNED6, SIBLING6, MEMBER, COUSIN))
    assert wire.is_open(FRIEND)
    assert wire.is_open(FRIEND6)

    table.apply({}, report.in_force, 0)
    assert all(wire.is_open(client) for client in CLIENTS)


@pytest.mark.parametrize("client", [BANNED, BANNED6, MEMBER])
def test_open_sessions_die(wire: Wire, run: Runner, client: str) -> None:
    """After the ban not one more byte of an open connection arrives, although connection tracking knows it."""
    run(
        Command(
            ("nft", "-f", "-"),
            b"add table inet admin\nadd chain inet admin input { type filter hook input "
            b"priority 0; }\nadd rule inet admin input ct state established accept\n",
        )
    )
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    with wire.listen(family, 2600) as listener, wire.connect(client, 2600) as remote:
        listener.settimeout(PATIENCE_S)
        local, _ = listener.accept()
        with local:
            local.settimeout(PATIENCE_S)
            remote.sendall(b"EHLO")
            assert local.recv(4) == b"EHLO"

            DesiredTable(Nftables(), run).apply(keys(BANNED, "2001:db8:1:2::/64", "203.0.113.0/24"), [], 0)
            remote.sendall(b"AUTH")

            local.settimeout(SILENCE_S)
            with pytest.raises(TimeoutError):
                local.recv(4)


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
    table.apply(keys(BANNED, "2001:db8:1:2::/64", "203.0.113.0/24"), [], 0)

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
    assert table.read().clients == clients.keys()
