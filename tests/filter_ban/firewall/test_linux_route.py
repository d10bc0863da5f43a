# SPDX-License-Identifier: ISC
"""Tests for Linux's routes as data: what is sent to ip, and what is read from it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import ClientKey, key_text, parse_network
from filter_ban.firewall import Change, Command
from filter_ban.firewall.linux_route import LinuxRoute
from tests.filter_ban.firewall.fake_filter import networks

HOST = parse_network("192.0.2.7")
WIDE = parse_network("203.0.113.0/24")
SITE = parse_network("2001:db8:1:2::/64")
LISTED4 = b"""blackhole 192.0.2.7 metric 13 \nprohibit 203.0.113.0/24 metric 13 \n"""
LISTED6 = b"""blackhole 2001:db8:1:2::/64 dev lo metric 13 pref medium\nblackhole 2001:db8::7 metric 13 pref medium\n"""


@pytest.mark.parametrize(("action", "kind"), [("drop", "blackhole"), ("reject", "prohibit")])
def test_change_is_one_batch(action: str, kind: str) -> None:
    """Both families are in it; what may be absent is put there before it is deleted, and nothing fails by repetition."""
    change = Change(adds=[(HOST, 960), (SITE, None)], updates=[(WIDE, 9)], removes=[parse_network("::7")])

    commands = LinuxRoute(action=action).change_commands(change)

    lines = (
        f"route replace {kind} ::7 metric 13 proto 221\n"
        f"route del {kind} ::7 metric 13 proto 221\n"
        f"route replace {kind} 192.0.2.7 metric 13 proto 221\n"
        f"route replace {kind} 2001:db8:1:2::/64 metric 13 proto 221\n"
        f"route replace {kind} 203.0.113.0/24 metric 13 proto 221\n"
    )
    assert commands == (Command(("ip", "-batch", "-"), lines.encode(), 60.0),)


def test_nothing_to_do_is_no_command() -> None:
    """No change, no set-up and no check start a process."""
    backend = LinuxRoute()

    assert not backend.change_commands(Change())
    assert not backend.setup_commands([(32, 32)])
    assert not backend.check_commands()
    assert backend.parse_check([]).exists
    assert not backend.parse_check([]).problem


def test_listing_gives_our_clients() -> None:
    """Both types are ours, whatever the action is now."""
    clients = LinuxRoute().parse_list([LISTED4, LISTED6])

    assert clients == dict.fromkeys([HOST, WIDE, SITE, parse_network("2001:db8::7")], 0)


@pytest.mark.parametrize(
    "line",
    [
        "blackhole 192.0.2.7",
        "blackhole 192.0.2.7 metric 1",
        "blackhole 192.0.2.7 metric 131",
        "unreachable 192.0.2.7 metric 13",
        "192.0.2.7 via 198.51.100.1 dev eth0 metric 13",
        "default via 198.51.100.1 dev eth0 metric 13",
        "",
    ],
)
def test_other_routes_are_not_ours(line: str) -> None:
    """A route of another type or metric is somebody else's, even with our protocol."""
    assert LinuxRoute().parse_list([f"{line}\n".encode(), b""]) == {}


@given(networks)
def test_what_is_added_is_read_back(clients: set[ClientKey]) -> None:
    """The listing of our own lines gives the same clients."""
    listed = "".join(f"blackhole {key_text(key)} metric 13 \n" for key in clients)

    assert LinuxRoute().parse_list([listed.encode(), b""]) == dict.fromkeys(clients, 0)


@given(st.binary() | st.binary().map(lambda noise: LISTED4[:20] + noise + LISTED4[20:]))
def test_garbage_is_a_value_error_or_a_listing(noise: bytes) -> None:
    """Whatever ip prints, nothing else is raised."""
    with contextlib.suppress(ValueError):
        LinuxRoute().parse_list([noise, noise])
