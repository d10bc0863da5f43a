# SPDX-License-Identifier: ISC
"""
Packet filters: bans as entries of a table that is ours.

Builders and parsers are pure, ``runner`` alone starts processes, ``table`` keeps the table equal to what is wanted
and ``guard`` refuses what must never be in it.
"""

from collections.abc import Callable, Sequence
from typing import Final

from filter_ban.firewall.base import Backend, Change, Check, Command, Entry, Fault, FirewallError
from filter_ban.firewall.guard import Guard
from filter_ban.firewall.nftables import Nftables
from filter_ban.firewall.none import NoFirewall
from filter_ban.firewall.pf import Pf
from filter_ban.firewall.runner import Runner
from filter_ban.firewall.table import DesiredTable, Listing, Report, Run

__all__ = [
    "Backend",
    "Change",
    "Check",
    "Command",
    "DesiredTable",
    "Entry",
    "Fault",
    "FirewallError",
    "Guard",
    "Listing",
    "Nftables",
    "NoFirewall",
    "Pf",
    "Report",
    "Run",
    "Runner",
    "make_backend",
]

DEFAULT_TABLE: Final = "filter-ban"

_BACKENDS: Final[dict[str, Callable[[Sequence[int], str], Backend]]] = {
    "none": lambda _ports, _table: NoFirewall(),
    "nftables": lambda ports, table: Nftables(ports=ports, table=table.replace("-", "_")),
    "pf": lambda ports, table: Pf(ports=ports, table=table),
}


def make_backend(name: str, *, ports: Sequence[int] = (), table: str = DEFAULT_TABLE) -> Backend:
    """
    Return the backend of that *name*.

    Args:
        name: ``none``, ``nftables`` or ``pf``.
        ports: TCP ports that are closed to banned clients; empty: everything is.
        table: Name of the table; for pf it may stand in an anchor, ``anchor/table``.

    Raises:
        ValueError: a value is unknown or cannot be the tool's argument.

    """
    try:
        make = _BACKENDS[name]
    except KeyError:
        raise ValueError(f"firewall.backend: {name!r}: must be one of {', '.join(_BACKENDS)}") from None
    return make(ports, table)
