# SPDX-License-Identifier: ISC
"""
Routes into nothing, on Linux: packets to a banned client have nowhere to go.

The one firewall that every machine has, and a blunt one. It closes all ports. It stops answers, not questions: what a
client sends is dropped only where reverse path filtering is on (``net.ipv4.conf.*.rp_filter`` 1 or 2), because then
its source has no valid way back. As seen on Linux 6.18 with an open session whose client is banned:

==================  ===============  ===================  =======================
                    new connections  the client's bytes   the server's bytes
==================  ===============  ===================  =======================
IPv4, rp_filter 1   none             reach nobody         go nowhere
IPv4, rp_filter 2   none             reach nobody         go nowhere
IPv4, rp_filter 0   none             reach the server     go nowhere
IPv6                none             reach the server     go nowhere
==================  ===============  ===================  =======================

So an open session may bring one more command, even a guess, and never learns the answer; the server's TCP gives it up in
time. The client hears nothing in any case: ``prohibit`` (action ``reject``) differs from ``blackhole`` only for programs
on this machine, which get "Permission denied" and not "Invalid argument", and for hosts behind it, which get ICMP when
they write to a banned client.

Ours are the routes of protocol 221 and metric 13 in the main table; no other is listed, changed or removed (``replace``
replaces what has the same prefix and metric, whoever made it). The metric is lower than those of bird (32), zebra (20),
NetworkManager (100) and of IPv6 (256, 1024), so that a route of theirs for the same prefix stays and ours acts. An IPv4 route
without a metric for exactly the banned prefix, and any route for a part of it, go before ours: there the ban does not
act. After a change of action, routes that stand serve as they are.

Routes have no time of their own and no counters, and the kernel forgets them at reboot; the ledger does not.

Measured with iproute2 6.1 on Linux 6.18: one more route takes 3 ms with the start of ip, at any size; 10,000 take 0.15 s
and 100,000 take 1.0 to 1.6 s to add; to remove 10,000 takes 0.3 s; to list 100,000 takes 0.2 s (IPv6: 0.3 s), JSON the same.

Source: ip-route(8), ip(8); fib_table_insert() and __fib_validate_source() of Linux; iproute2 6.1 and 6.15.
"""

import re
from collections.abc import Collection, Sequence
from typing import Final

from filter_ban.client import ClientKey, key_text, parse_network
from filter_ban.firewall.base import BULK_S, Change, Check, Command, Net

TYPES: Final = {"drop": "blackhole", "reject": "prohibit"}
PROTOCOL: Final = 221  # of none of the daemons in rt_protos; FRR has 186 to 198
METRIC: Final = 13

_OURS: Final = re.compile(rf"(?:{'|'.join(TYPES.values())}) (\S+) (?:dev lo )?metric {METRIC}\b.*")


class LinuxRoute:
    """
    Routes of ip(8).

    Args:
        action: ``drop`` or ``reject``.

    """

    name: Final = "route"
    lists: Final = True
    counts: Final = False

    def __init__(self, *, action: str = "drop") -> None:
        self._type = TYPES[action]

    # --- building

    def setup_commands(self, nets: Collection[Net]) -> Sequence[Command]:  # noqa: ARG002 - a routing table is there
        """Return nothing: there is nothing to set up."""
        return ()

    def change_commands(self, change: Change) -> Sequence[Command]:
        """Return one batch; a route that may be absent is put there before it is deleted."""
        lines = [self._line(verb, key) for key in change.removes for verb in ("replace", "del")]
        lines += [self._line("replace", key) for key in change.clients()]
        return (Command(("ip", "-batch", "-"), "".join(lines).encode(), BULK_S),) if lines else ()

    def _line(self, verb: str, key: ClientKey) -> str:
        return f"route {verb} {self._type} {key_text(key)} metric {METRIC} proto {PROTOCOL}\n"

    def check_commands(self) -> Sequence[Command]:
        """Ask nothing."""
        return ()

    def list_commands(self) -> Sequence[Command]:
        """Return the listings of both families' routes of our protocol."""
        return tuple(
            Command(("ip", family, "route", "show", "proto", str(PROTOCOL)), timeout_s=BULK_S)
            for family in ("-4", "-6")
        )

    # --- parsing

    def parse_check(self, outputs: Sequence[bytes]) -> Check:  # noqa: ARG002 - there are none
        """Return that routes act wherever they are."""
        return Check(exists=True)

    def parse_list(self, outputs: Sequence[bytes]) -> dict[ClientKey, int]:
        """
        Return the clients of our routes.

        They are printed as ``blackhole 192.0.2.7 metric 13`` and ``blackhole 2001:db8::/64 dev lo metric 13 pref medium``.
        """
        return {
            parse_network(found[1]): 0
            for output in outputs
            for found in map(_OURS.fullmatch, output.decode(errors="replace").splitlines())
            if found
        }
