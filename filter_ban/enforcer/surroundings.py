# SPDX-License-Identifier: ISC
"""Our own addresses and default gateways: what must never be banned. Read from the kernel or from its tools' output."""

import re
import sys
from collections.abc import Callable
from typing import Final

from filter_ban.client import LOOPBACK, ClientKey, make_key, pack_address

Run = Callable[[tuple[str, ...]], str]

_ADDRESS_COMMANDS: Final = {"linux": ("ip", "-o", "address", "show")}
_ROUTE_COMMANDS: Final = {
    "linux": (("ip", "-4", "route", "show", "default"), ("ip", "-6", "route", "show", "default"))
}
_BSD_ADDRESSES: Final = ("ifconfig", "-a")
_BSD_ROUTES: Final = (("netstat", "-rn", "-f", "inet"), ("netstat", "-rn", "-f", "inet6"))

_INET: Final = re.compile(r"\binet6? ([0-9A-Fa-f.:]+)")
_LINUX_VIA: Final = re.compile(r"\bvia (?:inet6? )?([0-9A-Fa-f.:]+)")
_BSD_DEFAULT: Final = re.compile(r"^default\s+([0-9A-Fa-f.:]+)", re.MULTILINE)


def parse_addresses(output: str) -> set[ClientKey]:
    """Return the addresses in the output of ``ip -o address show`` or ``ifconfig -a``."""
    return _hosts(_INET.findall(output))


def parse_gateways(output: str) -> set[ClientKey]:
    """Return the default gateways in the output of ``ip route show default`` or ``netstat -rn``."""
    return _hosts(_LINUX_VIA.findall(output) + _BSD_DEFAULT.findall(output))


def _hosts(addresses: list[str]) -> set[ClientKey]:
    keys = set()
    for address in addresses:
        try:
            packed = pack_address(address)
        except ValueError:
            continue
        keys.add(make_key(packed, len(packed) * 8))
    return keys


def find_surroundings(run: Run) -> frozenset[ClientKey]:
    """
    Return loopback, our own addresses and our default gateways.

    Args:
        run: Runs a command and returns its output; what it cannot run gives "".

    """
    system = sys.platform
    own = parse_addresses(run(_ADDRESS_COMMANDS.get(system, _BSD_ADDRESSES)))
    gateways = [parse_gateways(run(command)) for command in _ROUTE_COMMANDS.get(system, _BSD_ROUTES)]
    return frozenset(LOOPBACK).union(own, *gateways)
