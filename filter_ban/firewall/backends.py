# SPDX-License-Identifier: ISC
# ruff: noqa: PLC0415 - of all these modules a process needs but one
"""The backends by their names in the configuration, each with the options that it knows of."""

from collections.abc import Callable
from functools import partial
from typing import Final

from filter_ban.config.schema import Firewall
from filter_ban.firewall.base import Backend, Options


def _nftables(options: Options) -> Backend:
    from filter_ban.firewall.nftables import Nftables

    return Nftables(
        ports=options.ports,
        table=options.table.replace("-", "_"),
        hook=options.hook,
        action=options.action,
    )


def _ipset(name: str, options: Options) -> Backend:
    from filter_ban.firewall.ipset import Ipset

    return Ipset(name=name, table=options.table, max_entries=options.max_entries, ports=options.ports)


def _pf(options: Options) -> Backend:
    from filter_ban.firewall.pf import Pf

    return Pf(ports=options.ports, table="/".join(filter(None, (options.anchor, options.table))))


def _npf(options: Options) -> Backend:
    from filter_ban.firewall.npf import Npf

    return Npf(ports=options.ports, table=options.table)


def _ipfw(options: Options) -> Backend:
    from filter_ban.firewall.ipfw import Ipfw

    return Ipfw(ports=options.ports, table=options.table)


def _route(options: Options) -> Backend:
    from filter_ban.firewall.route import make_route

    return make_route(ports=options.ports, action=options.action)


def _helper(options: Options) -> Backend:
    from filter_ban.firewall.helper import Helper

    return Helper(options.helper, protocol=options.helper_protocol, ports=options.ports, table=options.table)


BACKENDS: Final[dict[str, Callable[[Options], Backend]]] = {
    "nftables": _nftables,
    "ipset": partial(_ipset, "ipset"),
    "iptables": partial(_ipset, "iptables"),
    "ufw": partial(_ipset, "ufw"),
    "pf": _pf,
    "npf": _npf,
    "ipfw": _ipfw,
    "route": _route,
    "helper": _helper,
}


def options_of(firewall: Firewall) -> Options:
    """Return what the configuration says about backends."""
    return Options(
        ports=firewall.ports,
        table=firewall.table,
        anchor=firewall.anchor,
        hook=firewall.hook,
        action=firewall.action,
        max_entries=firewall.max_entries,
        helper="" if firewall.helper is None else str(firewall.helper),
        helper_protocol=firewall.helper_protocol,
    )


def make_backend(name: str, options: Options) -> Backend:
    """
    Return the backend of that *name*.

    Raises:
        ValueError: there is none, or an option cannot be an argument of its tool.

    """
    try:
        make = BACKENDS[name]
    except KeyError:
        raise ValueError(f"firewall.backend: {name!r}: must be one of {', '.join(BACKENDS)}") from None
    return make(options)
