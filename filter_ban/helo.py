# SPDX-License-Identifier: ISC
"""
What a HELO or EHLO name tells about a client.

Only names that are a bot's own count, and the server's own address. A name that breaks RFC 5321, 4.1.1.1 does not: mail
programs of people send NetBIOS names, bare words and private addresses all day, and the RFC forbids to refuse mail for
that.
"""

from collections.abc import Container
from typing import Final

from filter_ban.client import NetworkSet, pack_address, parse_network

_ENDS: Final = frozenset("]0123456789")  # of a literal and of an IPv4 address
_TAG: Final = "ipv6:"  # RFC 5321, 4.1.3
_ANYWHERE: Final = NetworkSet(
    map(
        parse_network,
        (
            *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "::", "::1", "fe80::/10"),
            *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),  # RFC 1918, RFC 6598
        ),
    )
)


def is_bad(name: str, bad: Container[str], server: str) -> bool:
    """
    Return whether *name* is one of *bad*, letter for letter, or the address of the *server* that it is said to.

    Names of hosts are equal regardless of case; a program that says ``User`` is told from a computer that is called
    ``user`` by nothing else. An address that machines of many networks have may be an honest client's own as well.
    """
    return name in bad or (may_be_address(name) and _is_same_address(name, server))


def may_be_address(name: str) -> bool:
    """Return, at once and for nearly all names of hosts, that *name* is no address; True says nothing."""
    return name[-1:] in _ENDS or ":" in name


def _is_same_address(name: str, server: str) -> bool:
    """Compare a name that may be an address, bare or as a literal, with the server's."""
    literal = name.removeprefix("[").removesuffix("]")
    if literal[: len(_TAG)].lower() == _TAG:
        literal = literal[len(_TAG) :]
    try:
        address = pack_address(literal)
        return address == pack_address(server) and not _ANYWHERE.covers(address)
    except ValueError:
        return False
