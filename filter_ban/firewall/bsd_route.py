# SPDX-License-Identifier: ISC
"""
Routes into nothing, on OpenBSD, FreeBSD and NetBSD: as on Linux, but a process for each.

route(8) takes no batch, so xargs starts it for each client: some seconds for a thousand. The BSDs have no reverse path
filtering of their own: what a banned client sends arrives, and the answers do not leave. ``-reject`` (action ``reject``)
makes the kernel answer those who send through it by ICMP; the client itself hears nothing in either case.

Ours are the routes through the loopback address with the flags of ``-blackhole`` or ``-reject`` and of ``-proto2``
(``-proto1`` is that of BIRD and zebra); no other is listed. A prefix has one route: where somebody has
one for exactly that prefix, ours cannot be added, the ban does not act, and every comparison says that it is missing. To
delete, the gateway is named too, so that FreeBSD and OpenBSD leave a route of somebody else alone.

route(8) prints a line for each route, and after the gateway what went wrong. "Already there" and "not there" is what we
want. Without root's rights it prints nothing there.

Nobody has run this on a BSD yet; it follows the manuals and sources.

Source: route(8), route.c; netstat(1), route.c and show.c of OpenBSD, FreeBSD and NetBSD.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from filter_ban.client import ClientKey, address_text, is_ipv4, parse_network, prefix_of
from filter_ban.firewall.base import BULK_S, Change, Check, Command, Fault, FirewallError, Net

TYPES: Final = {"drop": "-blackhole", "reject": "-reject"}
MARK: Final = "-proto2"
GATEWAYS: Final = {True: "127.0.0.1", False: "::1"}  # by whether it is IPv4

_EACH_S: Final = 0.02  # allowed for a run of route
_SAID: Final = re.compile(r"(?:add|delete) (?:host|net) \S+ gateway \S+?(?: fib \d+)?(?:: (.*))?")
_FINE: Final = (None, "File exists", "route already in table", "not in table")
_HEADER: Final = "Routing tables"


class BsdRoute:
    """
    Routes of route(8).

    Args:
        action: ``drop`` or ``reject``.
        platform: As in ``sys.platform``, such as ``freebsd14``.

    """

    name: Final = "route"
    lists: Final = True
    counts: Final = False

    def __init__(self, *, action: str = "drop", platform: str = "openbsd7") -> None:
        self._type = TYPES[action]
        self._shown = (
            "-rnW" if platform.startswith("freebsd") else "-rn"
        )  # FreeBSD cuts long addresses without -W

    # --- building

    def setup_commands(self, nets: Collection[Net]) -> Sequence[Command]:  # noqa: ARG002 - a routing table is there
        """Return nothing: there is nothing to set up."""
        return ()

    def change_commands(self, change: Change) -> Sequence[Command]:
        """Return a command for what is removed and one for what is added."""
        commands = (("delete", change.removes), ("add", change.clients()))
        return [self._each(verb, clients) for verb, clients in commands if clients]

    def _each(self, verb: str, clients: Collection[ClientKey]) -> Command:
        lines = "".join(f"{verb} {self._arguments(key)}\n" for key in clients)
        argv = ("xargs", "-L", "1", "route", "-n")

        def heed(output: bytes) -> None:
            said = output.decode(errors="backslashreplace").splitlines()
            _raise_for(argv, [line for line in said if line.startswith(verb)], len(clients))

        return Command(argv, lines.encode(), BULK_S + _EACH_S * len(clients), heed, may_fail=True)

    def _arguments(self, key: ClientKey) -> str:
        address, prefix, gateway = address_text(key), prefix_of(key), GATEWAYS[is_ipv4(key)]
        target = f"-inet {address}/{prefix}" if is_ipv4(key) else f"-inet6 {address} -prefixlen {prefix}"
        return f"{target} {gateway} {self._type} {MARK}"

    def check_commands(self) -> Sequence[Command]:
        """Ask nothing."""
        return ()

    def list_commands(self) -> Sequence[Command]:
        """Return the listings of both families' routes."""
        return tuple(
            Command(("netstat", self._shown, "-f", family), timeout_s=BULK_S) for family in ("inet", "inet6")
        )

    # --- parsing

    def parse_check(self, outputs: Sequence[bytes]) -> Check:  # noqa: ARG002 - there are none
        """Return that routes act wherever they are."""
        return Check(exists=True)

    def parse_list(self, outputs: Sequence[bytes]) -> dict[ClientKey, int]:
        """
        Return the clients of our routes.

        Columns are destination, gateway, flags and others: ``203.0.113/24  127.0.0.1  UGSB2  0  0  32768  8  lo0``.
        """
        clients: dict[ClientKey, int] = {}
        for output in outputs:
            text = output.decode(errors="replace")
            if not text.startswith(_HEADER):
                raise ValueError("netstat printed no routing table")
            clients |= {
                parse_network(_whole(destination)): 0
                for destination, gateway, flags, *_ in (line.split() for line in _rows(text))
                if gateway in GATEWAYS.values() and "2" in flags and ("B" in flags or "R" in flags)
            }
        return clients


def _raise_for(argv: Sequence[str], lines: Sequence[str], expected: int) -> None:
    """
    Look at what route has printed.

    Raises:
        FirewallError: for one of the *lines* or more, or because there are fewer of them than *expected*.

    """
    for line in lines:
        said = _SAID.fullmatch(line)
        if said is None or said[1] not in _FINE:
            raise FirewallError(argv, None, line)
    if len(lines) < expected:
        raise FirewallError(
            argv, None, "route printed nothing; it does so without root's rights", Fault.DENIED
        )


def _rows(text: str) -> Iterable[str]:
    return (line for line in text.splitlines() if len(line.split()) > 2)  # noqa: PLR2004 - destination, gateway, flags


def _whole(destination: str) -> str:
    """Return ``203.0.113/24`` with the zeros that OpenBSD and NetBSD leave out."""
    address, slash, prefix = destination.partition("/")
    missing = 0 if ":" in address or not slash else 3 - address.count(".")
    return f"{address}{'.0' * missing}{slash}{prefix}"
