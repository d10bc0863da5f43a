# SPDX-License-Identifier: ISC
"""
A script for ``nft -f`` that puts all bans into two sets of a table of its own, at one stroke; rules are not its business.

Source: nft(8), sets: elements of a set with ``flags interval`` may not overlap; ``timeout`` counts from when it is added.
What is in the script when it is read again is what ``nft list set`` prints of both sets.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from filter_ban.client import ClientKey, NetworkSet, is_ipv4, key_text
from filter_ban.exchange.banned import Banned

MARK: Final = "# bans of filter-ban, for nft -f FILE\n"
TABLE: Final = "inet filter_ban_export"
SETS: Final = (("ipv4", "ipv4_addr"), ("ipv6", "ipv6_addr"))
_LEFT_OUT: Final = "# left out, wider bans cover them: {}\n"


def write(bans: Iterable[Banned], now_s: int) -> Iterator[str]:
    """
    Yield the script.

    Args:
        bans: The bans; those that lie within others are left out.
        now_s: Unix seconds, when the script will be run.

    """
    ends = {each.ban.client: each.ban.end_s for each in bans}
    networks = NetworkSet(ends)
    outer = [client for client in ends if networks.covering(client) == client]
    yield MARK
    if len(outer) < len(ends):
        yield _LEFT_OUT.format(len(ends) - len(outer))
    yield f"add table {TABLE}\n"
    for name, kind in SETS:
        yield f"add set {TABLE} {name} {{ type {kind}; flags interval,timeout; }}\n"
        yield f"flush set {TABLE} {name}\n"
    yield f"table {TABLE} {{\n"
    for name, kind in SETS:
        yield f"\tset {name} {{\n\t\ttype {kind}\n\t\tflags interval,timeout\n"
        members = [client for client in outer if is_ipv4(client) is (name == "ipv4")]
        if members:
            yield "\t\telements = { "
            yield ",\n\t\t\t     ".join(_element(client, ends[client], now_s) for client in members)
            yield " }\n"
        yield "\t}\n"
    yield "}\n"


def _element(client: ClientKey, end_s: int | None, now_s: int) -> str:
    return key_text(client) if end_s is None else f"{key_text(client)} timeout {max(1, end_s - now_s)}s"
