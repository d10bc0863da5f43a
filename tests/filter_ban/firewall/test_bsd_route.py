# SPDX-License-Identifier: ISC
"""Tests for the BSDs' routes: command lines as data, and the whole way through strict fakes of route and netstat."""

import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import parse_network
from filter_ban.firewall import Change, DesiredTable, Fault, FirewallError
from filter_ban.firewall.bsd_route import BsdRoute
from tests.filter_ban.firewall.fake_filter import FakeFilter

HOST = parse_network("192.0.2.7")
WIDE = parse_network("203.0.113.0/24")
SITE = parse_network("2001:db8:1:2::/64")
LONG = parse_network("2001:db8:1111:2222:3333:4444:5555:6666")
NOW_S = 1_700_000_000
WANTED = dict.fromkeys((HOST, WIDE, SITE, LONG), NOW_S + 900)
FOREIGN = {
    "10.0.0.0/8": ["127.0.0.1", "UGSB"],
    "10.1.0.0/16": ["127.0.0.1", "UGSB1"],
    "192.0.2.0/24": ["link#1", "UC2"],
}


class FakeBsd(FakeFilter):
    """The routing table behind the fakes; the xargs is real."""

    def __init__(self, folder: Path, system: str) -> None:
        super().__init__(
            folder,
            "fake_route.py",
            ("route", "netstat"),
            system=system,
            denied=False,
            routes=FOREIGN,
        )
        (folder / "xargs").symlink_to(shutil.which("xargs") or "/usr/bin/xargs")
        self.backend = BsdRoute(platform=f"{system}9")

    @property
    def ours(self) -> dict[str, Any]:
        """The routes that are not somebody else's."""
        return {name: route for name, route in self["routes"].items() if name not in FOREIGN}


@pytest.fixture(params=["openbsd", "freebsd", "netbsd"])
def bsd(request: pytest.FixtureRequest, tmp_path: Path) -> FakeBsd:
    """Return a routing table in which others have their routes."""
    return FakeBsd(tmp_path, request.param)


@pytest.mark.parametrize(("action", "kind"), [("drop", "-blackhole"), ("reject", "-reject")])
def test_change_is_exact(action: str, kind: str) -> None:
    """One run of route for each client, what is removed first."""
    change = Change(adds=[(HOST, 960), (SITE, None)], updates=[(WIDE, 9)], removes=[parse_network("::7")])

    delete, add = BsdRoute(action=action).change_commands(change)

    assert delete.argv == add.argv == ("xargs", "-L", "1", "route", "-n")
    assert delete.stdin.decode() == f"delete -inet6 ::7 -prefixlen 128 ::1 {kind} -proto2\n"
    assert add.stdin.decode() == (
        f"add -inet 192.0.2.7/32 127.0.0.1 {kind} -proto2\n"
        f"add -inet6 2001:db8:1:2:: -prefixlen 64 ::1 {kind} -proto2\n"
        f"add -inet 203.0.113.0/24 127.0.0.1 {kind} -proto2\n"
    )
    assert not BsdRoute().change_commands(Change())


def test_bans_come_and_go(bsd: FakeBsd) -> None:
    """What is wanted is there, also after a repetition; what is not, is not, and the rest is as it was."""
    table = DesiredTable(bsd.backend, bsd.run)

    for _ in range(2):
        report = table.apply(WANTED, [], NOW_S)
        assert set(report.in_force) == WANTED.keys()
        assert not report.problem
    assert bsd.ours == {
        "192.0.2.7/32": ["127.0.0.1", "UGSB2"],
        "203.0.113.0/24": ["127.0.0.1", "UGSB2"],
        "2001:db8:1:2::/64": ["::1", "UGSB2"],
        "2001:db8:1111:2222:3333:4444:5555:6666/128": ["::1", "UGSB2"],
    }

    for _ in range(2):
        assert not table.apply({}, WANTED, NOW_S).problem
    assert bsd["routes"] == FOREIGN


def test_drift_is_repaired(bsd: FakeBsd) -> None:
    """What was deleted comes back, and what was put among ours goes."""
    table = DesiredTable(bsd.backend, bsd.run)
    table.apply(WANTED, [], NOW_S)
    bsd.set(routes=FOREIGN | {"198.51.100.9/32": ["127.0.0.1", "UGHSR2"]})

    report = table.sync(NOW_S)

    assert set(report.drifted) == WANTED.keys()
    assert list(report.foreign) == [parse_network("198.51.100.9")]
    assert len(bsd.ours) == len(WANTED)
    assert not table.sync(NOW_S).drifted


def test_foreign_route_for_the_prefix_stays(bsd: FakeBsd) -> None:
    """Where somebody has a route for exactly the banned prefix, it stays, and the ban is known to be missing."""
    bsd.set(routes=FOREIGN | {"203.0.113.0/24": ["198.51.100.1", "UGS"]})
    table = DesiredTable(bsd.backend, bsd.run)

    table.apply(WANTED, [], NOW_S)
    report = table.sync(NOW_S)

    assert list(report.drifted) == [WIDE]
    assert bsd["routes"]["203.0.113.0/24"] == ["198.51.100.1", "UGS"]


def test_missing_rights_are_told(bsd: FakeBsd) -> None:
    """Without root's rights every ban fails, and says why."""
    bsd.set(denied=True)

    report = DesiredTable(bsd.backend, bsd.run).apply(WANTED, [], NOW_S)

    assert set(report.failed) == WANTED.keys()
    assert "without root's rights" in report.problem


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("add net 203.0.113.0/24: gateway 127.0.0.1", None),
        ("add net 203.0.113.0/24: gateway 127.0.0.1: File exists", None),
        ("add net 2001:db8:1::: gateway ::1 fib 0: route already in table", None),
        ("add net 203.0.113.0/24: gateway 127.0.0.1: routing table overflow", Fault.FULL),
        ("add net 203.0.113.0/24: gateway 127.0.0.1 fib 0: not enough memory", Fault.FULL),
        ("add net 203.0.113.0/24: gateway 127.0.0.1: Network is unreachable", Fault.OTHER),
        ("add \x1b[31m", Fault.OTHER),
        ("", Fault.DENIED),
    ],
)
def test_route_is_listened_to(said: str, fault: Fault | None) -> None:
    """Success and "already there" are told apart from all other messages."""
    (command,) = BsdRoute().change_commands(Change(adds=[(WIDE, None)]))
    assert command.heed is not None
    assert command.may_fail

    if fault is None:
        command.heed(f"{said}\n".encode())
    else:
        with pytest.raises(FirewallError) as caught:
            command.heed(f"{said}\n".encode())
        assert caught.value.fault == fault
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "rows",
    [
        (  # OpenBSD
            "default            198.51.100.1       UGS        5       13     -     8 vio0",
            "192.0.2.7/32       127.0.0.1          UGSB2      0        0 32768     8 lo0",
            "203.0.113/24       127.0.0.1          UGSB2      0        0 32768     8 lo0",
            "224/4              127.0.0.1          URS        0        0 32768     8 lo0",
        ),
        (  # FreeBSD
            "default            198.51.100.1       UGS         vtnet0",
            "127.0.0.1          link#2             UH             lo0",
            "192.0.2.7          127.0.0.1          UGHSB2         lo0",
            "203.0.113.0/24     127.0.0.1          UGSR2          lo0",
        ),
        (  # NetBSD
            "default            198.51.100.1       UGS         -        -      -  wm0",
            "127/8              127.0.0.1          UGRS        -        -  33624  lo0",
            "192.0.2.7          127.0.0.1          UGHSB2      -        -      -  lo0",
            "203.0.113/24       127.0.0.1          UGSB2       -        -      -  lo0",
        ),
    ],
)
def test_listing_gives_our_clients(rows: tuple[str, ...]) -> None:
    """In the columns of all three, our routes are told from those of the system."""
    inet = "\n".join(
        ("Routing tables", "", "Internet:", "Destination        Gateway            Flags", *rows)
    )
    inet6 = "Routing tables\n\nInternet6:\nfe80::%lo0/64 link#2 U lo0\n2001:db8:1:2::/64 ::1 UGSB2 lo0\n"

    assert BsdRoute().parse_list([inet.encode(), inet6.encode()]) == dict.fromkeys((HOST, WIDE, SITE), 0)


@pytest.mark.parametrize("output", [b"", b"\n", b"netstat: kvm not available\n"])
def test_no_listing_is_an_error(output: bytes) -> None:
    """No table is not an empty table."""
    with pytest.raises(ValueError, match="no routing table"):
        BsdRoute().parse_list([output, output])


@given(st.binary() | st.binary().map(lambda noise: b"Routing tables\n\n1/8 127.0.0.1 UGSB2 0\n" + noise))
def test_garbage_is_a_value_error_or_a_listing(noise: bytes) -> None:
    """Whatever netstat prints, nothing else is raised."""
    with contextlib.suppress(ValueError):
        BsdRoute().parse_list([noise, noise])
