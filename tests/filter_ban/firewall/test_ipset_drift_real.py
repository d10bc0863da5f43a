# SPDX-License-Identifier: ISC
"""Tests for ipset and iptables in the kernel when others change sets and rules too."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from filter_ban.client import is_ipv4, parse_network
from filter_ban.firewall import Command, DesiredTable, Fault, FirewallError, Runner
from filter_ban.firewall.ipset import Ipset
from tests.filter_ban.firewall.ipset_rig import (
    NETWORKS,
    REASON,
    entries,
    eventually,
    install,
    ipset,
    keys,
    restore,
    runner_on,
    saved,
)
from tests.filter_ban.firewall.wire import BANNED, BANNED6, FRIEND, MEMBER, Wire, laid_wire

pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(REASON), reason=REASON)]


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    """Lay the wire."""
    with laid_wire() as wire:
        yield wire


@pytest.fixture
def run(wire: Wire, tmp_path: Path) -> Iterator[Runner]:
    """Return a runner in the server's namespace, without sets and rules."""
    with runner_on(wire, tmp_path) as run:
        yield run


@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        ("flush filter-ban4", [BANNED, "203.0.113.0/24"]),
        ("flush", NETWORKS),
        ("del filter-ban4 203.0.113.0/24", ["203.0.113.0/24"]),
        ("del filter-ban6 2001:db8:1:2::/64", ["2001:db8:1:2::/64"]),
    ],
)
def test_lost_entries_are_put_back(wire: Wire, run: Runner, damage: str, lost: Sequence[str]) -> None:
    """A sync finds what somebody has taken out, and nothing else."""
    install(run)
    table = DesiredTable(Ipset(), run)
    table.apply(keys(*NETWORKS), [], 0)
    ipset(run, damage)

    report = table.sync(0)

    assert set(report.drifted) == keys(*lost).keys()
    assert all(wire.is_shut(client) for client in (BANNED, BANNED6, MEMBER))
    assert not table.sync(0).drifted


def test_foreign_entries_are_removed(wire: Wire, run: Runner) -> None:
    """An entry that somebody put into our set is taken out."""
    install(run)
    table = DesiredTable(Ipset(), run)
    table.apply(keys(BANNED), [], 0)
    ipset(run, f"add filter-ban4 {FRIEND}")
    assert wire.is_shut(FRIEND)

    report = table.sync(0)

    assert list(report.foreign) == [parse_network(FRIEND)]
    assert wire.is_open(FRIEND)


@pytest.mark.parametrize("change", [True, False])
def test_destroyed_sets_are_made_anew(run: Runner, *, change: bool) -> None:
    """A sync, or the next change, creates and fills them; that no rule uses them is said."""
    install(run)
    table = DesiredTable(Ipset(), run)
    table.apply(keys(*NETWORKS), [], 0)
    restore(run, 4, "*filter", "COMMIT", flush=True)
    eventually(lambda: ipset(run, "destroy filter-ban4"))

    report = table.apply(keys(FRIEND), [], 0) if change else table.sync(0)

    assert set(report.drifted) == keys(BANNED, "203.0.113.0/24").keys()
    assert report.rule_present is False
    assert "no rule uses the set filter-ban4" in report.problem
    assert entries(run).keys() == table.clients


@pytest.mark.parametrize(("family", "name"), [(4, "filter-ban4"), (6, "filter-ban6")])
def test_missing_rule_is_reported(wire: Wire, run: Runner, family: int, name: str) -> None:
    """A rule that somebody has removed is noticed, with what to do; when it is back, all is well."""
    install(run)
    table = DesiredTable(Ipset(name="ufw"), run)
    table.apply(keys(*NETWORKS), [], 0)
    restore(run, family, "*filter", "COMMIT", flush=True)
    assert wire.is_open(BANNED if family == 4 else BANNED6)

    report = table.sync(0)
    assert report.rule_present is False
    assert (
        report.problem
        == f"no rule uses the set {name}; 'filter-ban setup ufw --apply' and 'ufw reload' add one; is ufw on?"
    )
    of_family = {key for key in keys(*NETWORKS) if is_ipv4(key) == (family == 4)}
    assert report.failed.keys() == of_family

    install(run, families=[family])
    report = table.sync(0)
    assert report.rule_present
    assert not report.problem
    assert set(report.in_force) == of_family


def test_ipv4_works_where_ipv6_has_no_rule(wire: Wire, run: Runner) -> None:
    """Only a ban for IPv6 needs a rule there."""
    install(run, families=[4])
    table = DesiredTable(Ipset(), run)

    report = table.apply(keys(BANNED), [], 0)
    assert not report.problem
    assert not table.sync(0).problem
    assert wire.is_shut(BANNED)

    table.apply(keys("2001:db8:1:2::/64"), [], 0)
    assert "filter-ban6" in table.sync(0).problem


def test_set_made_by_hand_is_used(run: Runner) -> None:
    """A set of another size is filled, and the other one created when it is needed."""
    ipset(run, "create filter-ban4 hash:net maxelem 2 timeout 600")
    restore(run, 4, "*filter", "-A INPUT -m set --match-set filter-ban4 src -j DROP", "COMMIT")
    table = DesiredTable(Ipset(), run)

    report = table.apply(keys(BANNED), [], 0)
    assert not report.problem
    assert len(report.in_force) == 1

    table.apply(keys("2001:db8:1:2::/64"), [], 0)
    assert entries(run) == dict.fromkeys(keys(BANNED, "2001:db8:1:2::/64"), 0)


@pytest.mark.parametrize(
    "create", ["hash:ip timeout 600", "hash:net", "hash:net family inet6 timeout 600", "list:set"]
)
def test_set_of_another_kind_is_left_alone(run: Runner, create: str) -> None:
    """Nothing is put there, and the message says why."""
    ipset(run, f"create filter-ban4 {create}")
    before = saved(run)

    report = DesiredTable(Ipset(), run).apply(keys(BANNED), [], 0)

    assert before == saved(run)
    assert "the set filter-ban4 is no 'hash:net family inet timeout 0'" in report.problem
    assert list(report.failed) == [parse_network(BANNED)]


def test_full_set_takes_what_it_can(run: Runner) -> None:
    """The set holds as many entries as it may; of the others it is said why not, and removing makes room."""
    ipset(run, "create filter-ban4 hash:net timeout 0 counters maxelem 4")
    restore(run, 4, "*filter", "-A INPUT -m set --match-set filter-ban4 src -j DROP", "COMMIT")
    table = DesiredTable(Ipset(), run)

    report = table.apply(keys(*(f"192.0.2.{number}" for number in range(100, 107))), [], 0)
    assert len(report.in_force) == 4
    assert len(report.failed) == 3
    assert all("Hash is full" in why for why in report.failed.values())

    report = table.apply(keys(FRIEND), report.in_force, 0)
    assert list(report.in_force) == [parse_network(FRIEND)]


@pytest.mark.parametrize(
    ("lines", "text", "fault"),
    [
        (["add filter-ban6 2001:db8::1"], "The set with the given name does not exist", Fault.GONE),
        (
            ["add tiny4 192.0.2.1", "add tiny4 192.0.2.2"],
            "Hash is full, cannot add more elements",
            Fault.FULL,
        ),
        (["add tiny4 nonsense"], "cannot parse nonsense", Fault.OTHER),
    ],
)
def test_messages_of_ipset_are_understood(run: Runner, lines: Sequence[str], text: str, fault: Fault) -> None:
    """What is repaired by a sync, and what by fewer entries, is told apart."""
    ipset(run, "create tiny4 hash:net timeout 0 maxelem 1")

    with pytest.raises(FirewallError, match=text) as caught:
        ipset(run, *lines)

    assert caught.value.fault is fault


def test_others_are_left_alone(run: Runner) -> None:
    """Whatever we do, the administrator's sets and rules stay, also a set whose name begins like ours."""
    ipset(
        run,
        "create filter-ban44 hash:ip timeout 0",
        f"add filter-ban44 {BANNED}",
        "create geo hash:net comment",
        'add geo 203.0.113.0/24 comment "create filter-ban4"',
    )
    restore(run, 4, "*filter", "-A INPUT -m set --match-set geo src -j ACCEPT", "COMMIT")
    before = saved(run)
    table = DesiredTable(Ipset(), run)

    table.apply(keys(*NETWORKS), [], 0)
    table.sync(0)
    ipset(run, "flush filter-ban4")
    table.sync(0)
    table.apply({}, keys(*NETWORKS), 0)

    ipset(run, "destroy filter-ban4", "destroy filter-ban6")
    assert before == saved(run)


def test_restart_touches_nothing(run: Runner) -> None:
    """A new process with the same bans sends no change: the kernel's clock runs on."""
    install(run)
    DesiredTable(Ipset(), run).apply(keys(*NETWORKS), [], 0)
    seen: list[Command] = []

    def watched(command: Command) -> bytes:
        seen.append(command)
        return run(command)

    table = DesiredTable(Ipset(), watched)
    table.replace(keys(*NETWORKS))
    report = table.sync(300)

    assert len(report.in_force) == 3
    assert not any(command.stdin for command in seen)
