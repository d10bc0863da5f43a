# SPDX-License-Identifier: ISC
"""Tests for the choice of a route backend."""

import sys

import pytest

from filter_ban.firewall.bsd_route import BsdRoute
from filter_ban.firewall.linux_route import LinuxRoute
from filter_ban.firewall.route import make_route


@pytest.mark.parametrize(
    ("platform", "backend"),
    [("linux", LinuxRoute), ("openbsd7", BsdRoute), ("freebsd14", BsdRoute), ("netbsd10", BsdRoute)],
)
def test_system_decides(platform: str, backend: type) -> None:
    """Linux has ip, the BSDs have route."""
    made = make_route(platform=platform)

    assert isinstance(made, backend)
    assert (made.name, made.lists, made.counts) == ("route", True, False)


def test_this_system_is_the_default() -> None:
    """Without more the backend is that of the machine."""
    assert type(make_route()) is type(make_route(platform=sys.platform))


def test_ports_are_refused() -> None:
    """Who limits bans to ports must not lose all of them."""
    with pytest.raises(ValueError, match=r"firewall\.ports: .* must be empty"):
        make_route(ports=(25,))


def test_unknown_action_is_refused() -> None:
    """Only words of ours become arguments."""
    with pytest.raises(ValueError, match="must be one of drop, reject"):
        make_route(action="via 192.0.2.1")
