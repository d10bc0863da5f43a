# SPDX-License-Identifier: ISC
"""Our own addresses, default gateways and stores: what must never be banned. Read from the kernel or from its tools' output."""

import re
import socket
import sys
from collections.abc import Callable, Iterable
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


def find_stores(urls: Iterable[str], *, by_name: bool) -> frozenset[ClientKey]:
    """
    Return the addresses of the servers in ``cluster.stores``: a ban of one would cut off the whole farm.

    Args:
        urls: Of the stores.
        by_name: Whether names are looked up, which may take a minute.

    """
    found: set[ClientKey] = set()
    for url in urls:
        scheme, _, rest = url.partition("://")
        hosts = [] if scheme == "unix" else rest.partition("/")[0].split(",")
        for host in hosts:
            name = (
                host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
            )
            found |= _addresses_of(name, by_name=by_name)
    return frozenset(found)


def _addresses_of(name: str, *, by_name: bool) -> set[ClientKey]:
    flags = 0 if by_name else socket.AI_NUMERICHOST
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError):
        return set()
    return _hosts([str(address[0]) for *_, address in found])


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
