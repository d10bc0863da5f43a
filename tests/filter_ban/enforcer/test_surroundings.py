# SPDX-License-Identifier: ISC
"""What the tools of each system print about addresses and gateways."""

import sys

import pytest

from filter_ban.client import key_text, parse_network
from filter_ban.enforcer.surroundings import find_stores, find_surroundings, parse_addresses, parse_gateways

LINUX_ADDRESSES = """\
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
1: lo    inet6 ::1/128 scope host \\       valid_lft forever preferred_lft forever
2: eth0    inet 203.0.113.5/24 brd 203.0.113.255 scope global eth0\\       valid_lft forever preferred_lft forever
2: eth0    inet6 2001:db8::5/64 scope global \\       valid_lft forever preferred_lft forever
3: tun0    inet 10.8.0.1 peer 10.8.0.2/32 scope global tun0\\       valid_lft forever preferred_lft forever
"""
LINUX_ROUTES = """\
default via 203.0.113.1 dev eth0 proto dhcp metric 100
default via inet6 fe80::1 dev eth1
default dev tun0 scope link
"""
OPENBSD_ADDRESSES = """\
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 32768
\tinet6 ::1 prefixlen 128
\tinet6 fe80::1%lo0 prefixlen 64 scopeid 0x3
\tinet 127.0.0.1 netmask 0xff000000
vio0: flags=808843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,AUTOCONF4> mtu 1500
\tlladdr fe:e1:bb:d1:c3:01
\tinet 203.0.113.5 netmask 0xffffff00 broadcast 203.0.113.255
"""
OPENBSD_ROUTES = """\
Routing tables

Internet:
Destination        Gateway            Flags   Refs      Use   Mtu  Prio Iface
default            203.0.113.1        UGS        5     2313     -     8 vio0
224/4              127.0.0.1          URS        0        0 32768     8 lo0
Internet6:
default                            fe80::2%vio0                   UGS        0        1     -     8 vio0
"""


@pytest.mark.parametrize(
    ("output", "addresses"),
    [
        (LINUX_ADDRESSES, {"127.0.0.1", "::1", "203.0.113.5", "2001:db8::5", "10.8.0.1"}),
        (OPENBSD_ADDRESSES, {"127.0.0.1", "::1", "fe80::1", "203.0.113.5"}),
        ("", set()),
        ("inet 999.1.1.1 inet6 zz", set()),
    ],
)
def test_addresses(output: str, addresses: set[str]) -> None:
    """Each address of this machine is found, and nothing else."""
    assert {key_text(key) for key in parse_addresses(output)} == addresses


@pytest.mark.parametrize(
    ("output", "gateways"),
    [(LINUX_ROUTES, {"203.0.113.1", "fe80::1"}), (OPENBSD_ROUTES, {"203.0.113.1", "fe80::2"}), ("", set())],
)
def test_gateways(output: str, gateways: set[str]) -> None:
    """Each default gateway is found, and no other route's."""
    assert {key_text(key) for key in parse_gateways(output)} == gateways


def test_loopback_is_ours_even_without_any_tool() -> None:
    """A machine without ip or ifconfig still spares 127.0.0.0/8 and ::1."""
    assert {key_text(key) for key in find_surroundings(lambda _argv: "")} == {"127.0.0.0/8", "::1"}


def test_the_tools_of_this_system_are_asked() -> None:
    """Addresses once, routes for each family."""
    asked: list[str] = []

    def run(argv: tuple[str, ...]) -> str:
        asked.append(argv[0])
        return ""

    find_surroundings(run)

    assert asked == (["ip"] * 3 if sys.platform == "linux" else ["ifconfig", "netstat", "netstat"])


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("redis://192.0.2.1", {"192.0.2.1"}),
        ("rediss://192.0.2.1:6380/2", {"192.0.2.1"}),
        ("redis://[2001:db8::1]:6379", {"2001:db8::1"}),
        ("unix:///run/valkey.sock", set()),
        ("redis+sentinel://192.0.2.1:26379,192.0.2.2/mail", {"192.0.2.1", "192.0.2.2"}),
        ("rediss+cluster://192.0.2.1,[2001:db8::2]:7000", {"192.0.2.1", "2001:db8::2"}),
        ("redis://store.example.org", set()),
    ],
)
def test_stores_are_spared(url: str, addresses: set[str]) -> None:
    """Their addresses are known at once; names are looked up later, where that holds up nobody."""
    assert {key_text(key) for key in find_stores([url], by_name=False)} == addresses


def test_stores_are_found_by_name() -> None:
    """A name is looked up; one that is unknown is none of our surroundings."""
    found = find_stores(["redis://localhost:6379", "redis://nobody..invalid"], by_name=True)
    assert found
    assert found <= {parse_network("127.0.0.1"), parse_network("::1")}
