# SPDX-License-Identifier: ISC
"""Tests for one run of a tool for each client, with the real xargs."""

import pytest

from filter_ban.client import parse_network
from filter_ban.firewall import Command, FirewallError, Runner
from filter_ban.firewall.xargs import each

HOST = parse_network("192.0.2.7")
SITE = parse_network("2001:db8:1:2::/64")


def test_nobody_is_no_command() -> None:
    """Without clients nothing is run."""
    assert each(("tool", "add"), []) == []


def test_one_client_needs_no_xargs() -> None:
    """A single client is an argument."""
    assert each(("tool", "add"), [SITE], may_fail=True) == [
        Command(("tool", "add", "2001:db8:1:2::/64"), may_fail=True)
    ]


def test_each_client_is_a_run() -> None:
    """The tool is started once for each client, the client being its last argument."""
    (command,) = each(("echo", "add"), [HOST, SITE])

    assert Runner()(command) == b"add 192.0.2.7\nadd 2001:db8:1:2::/64\n"


def test_failure_is_told_unless_it_may_be() -> None:
    """A run that fails makes the status of all of them, which may be passed over."""
    (command,) = each(("false",), [HOST, SITE])
    with pytest.raises(FirewallError, match=r"^xargs \(status 1"):
        Runner()(command)

    (allowed,) = each(("false",), [HOST, SITE], may_fail=True)
    assert Runner()(allowed) == b""
