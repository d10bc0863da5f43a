# SPDX-License-Identifier: ISC
"""Exported tables of Postfix, as real ones look addresses up in them."""

from collections.abc import Sequence

import pytest

from filter_ban.exchange.formats import write_bans
from filter_ban.reply import ReplyTemplate
from tests.filter_ban.exchange.writing import banned
from tests.real.debian_root import POSTFIX_3_7, POSTFIX_3_10
from tests.real.machine import Machine

pytestmark = [pytest.mark.real, pytest.mark.parametrize("debian", [POSTFIX_3_7, POSTFIX_3_10], ids=str)]

REPLY = ReplyTemplate.parse("421 4.7.0 {client} refused until {until}, reference {ref}")
HELD = ("192.0.2.7", "198.51.100.0/24", "2001:db8:1:2::/64", "2001:db8::7")
TABLE = "/etc/postfix/banned"


def put(machine: Machine, form: str, clients: Sequence[str] = HELD) -> None:
    """Export bans of *clients* to the machine."""
    machine.run(["ip", "link", "set", "lo", "up"])  # postmap looks for the machine's addresses
    bans = [banned(client) for client in clients]
    machine.write(TABLE, "".join(write_bans(bans, form, now_s=0, reply=REPLY, omitted=[])))


def found(machine: Machine, table: str, keys: Sequence[str]) -> dict[str, str]:
    """Return what *table* has for each of *keys*; nothing for those it has not."""
    query = "".join(f"{key}\n" for key in keys)
    told = machine.run(["postmap", "-q", "-", table], stdin=query.encode()).stdout.decode()
    return dict(line.split("\t", 1) for line in told.splitlines())


def refusal(client: str) -> str:
    """Return what a member of *client* is told."""
    return f"521 5.7.1 {client} refused until further notice, reference K7Q2ABCD"


def test_cidr(machine: Machine) -> None:
    """Whoever is in a banned network is refused, and nobody else."""
    put(machine, "cidr")
    members = {
        "192.0.2.7": HELD[0],
        "198.51.100.255": HELD[1],
        "2001:db8:1:2:ffff::1": HELD[2],
        "2001:db8::7": HELD[3],
    }
    others = ["192.0.2.8", "198.51.101.0", "2001:db8:1:3::1", "2001:db8::8"]
    expected = {address: refusal(client) for address, client in members.items()}

    assert found(machine, f"cidr:{TABLE}", [*members, *others]) == expected


def test_access(machine: Machine) -> None:
    """The table can be made an index, with a key for each network."""
    put(machine, "postfix-access")
    machine.run(["postmap", f"hash:{TABLE}"])
    keys = {"192.0.2.7": HELD[0], "198.51.100": HELD[1], "2001:db8:1:2": HELD[2], "2001:db8::7": HELD[3]}
    expected = {key: refusal(client) for key, client in keys.items()}

    assert found(machine, f"hash:{TABLE}", [*keys, "198.51", "2001:db8:1"]) == expected
