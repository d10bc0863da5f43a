# SPDX-License-Identifier: ISC
"""
nftables: a table of our own, with one set, one base chain and one rule for each prefix length in use.

Sets are hash sets, so that an entry costs the same at any size: the client's address is masked by the rule and the
result looked up. (In an interval set of 100,000 elements one more takes most of a second.) The chains hang in
prerouting before raw and connection tracking, so that packets of open sessions are dropped like new ones. The ports
of a rule are thus those before any address translation.

Measured with nft 1.0.6 and 1.1.3 on Linux 6.18, 100,000 elements in the set; what decides the form of the commands:

- ``add element`` alone takes 2 ms with the start of nft, and fails where the set is gone. As soon as a rule, a chain
  or a deletion is in the transaction, the kernel waits for its readers: 16 ms. So sets and rules are sent apart, once.
- ``nft -t list ruleset inet`` takes 5 ms, ``nft -t list table`` reads all elements first: 800 ms.
- Listing 100,000 elements takes 1.0 to 1.4 s, ``--stateless`` being the fastest form and JSON the slowest.
- Adding an element that is there changes its time since Linux 6.12 only; add, delete and add in one transaction
  always does. Likewise add and delete together remove what may be absent (``destroy`` needs nft 1.0.7).

Source: nft(8); Debian 12 (nft 1.0.6) and Debian 13 (1.1.3).
"""

import re
import socket
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from filter_ban.client import ClientKey
from filter_ban.firewall.base import BULK_S, Change, Check, Command, Entry, Net, net_of

PRIORITY: Final = -310  # before raw (-300) and connection tracking (-200), after defragmentation (-400)

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}")
_SET: Final = re.compile(rb"^\tset net([46])_(\d{1,3}) \{\n(.*?)^\t\}", re.MULTILINE | re.DOTALL)
_ELEMENT: Final = re.compile(
    rb"[{,]\s+([0-9a-f:.]+)"
)  # "elements = { 192.0.2.7 counter timeout 1h, 192.0.2.8 ..."
_CHAIN: Final = re.compile(rb"^\tchain net([46])_(\d{1,3}) \{\n(.*?)^\t\}", re.MULTILINE | re.DOTALL)
_FAMILIES: Final = {32: (b"4", "ip", "ipv4_addr"), 128: (b"6", "ip6", "ipv6_addr")}
_BITS: Final = {b"4": 32, b"6": 128}


class Nftables:
    """
    The table ``inet TABLE``.

    Args:
        ports: TCP ports that are closed to the clients; empty: everything is.
        table: Name of the table.

    Raises:
        ValueError: a port or the name is impossible.

    """

    name: Final = "nftables"

    def __init__(self, *, ports: Sequence[int] = (), table: str = "filter_ban") -> None:
        if not _NAME.fullmatch(table):
            raise ValueError(
                f"firewall.table: {table[:100]!r}: must be letters, digits and _, at most 31 characters"
            )
        if not all(0 < port < 1 << 16 for port in ports):
            raise ValueError(f"firewall.ports: {ports!r}: must be 1 to 65535")
        self._ports = sorted(set(ports))
        self._table = f"inet {table}"
        self._listed = re.compile(rb"^table inet %s \{\n(.*?)^\}" % table.encode(), re.MULTILINE | re.DOTALL)

    # --- building

    def setup_commands(self, nets: Collection[Net]) -> Sequence[Command]:
        """Create sets and chains, and write each chain's rule anew, in one transaction."""
        lines = [f"add table {self._table}"]
        for bits, prefix in sorted(nets):
            name = _set_name(bits, prefix)
            where = f"{self._table} {name}"
            hook = f"type filter hook prerouting priority {PRIORITY}; policy accept;"
            lines += (
                f"add set {where} {{ type {_FAMILIES[bits][2]}; flags timeout; counter; }}",
                f"add chain {where} {{ {hook} }}",
                f"flush chain {where}",
                f"add rule {where} {self._rule(bits, prefix)}",
            )
        return (_transaction(lines),)

    def _rule(self, bits: int, prefix: int) -> str:
        ports = f"tcp dport {{ {', '.join(map(str, self._ports))} }} " if self._ports else ""
        mask = "" if prefix == bits else f"& {_mask_text(bits, prefix)} "
        return f"{ports}{_FAMILIES[bits][1]} saddr {mask}@{_set_name(bits, prefix)} drop"

    def change_commands(self, change: Change) -> Sequence[Command]:
        """Return one transaction for everything."""
        lines = [
            *self._statements("add", ((key, None) for key in change.removes)),
            *self._statements("delete", ((key, None) for key in change.removes)),
            *self._statements("add", ((key, None) for key, _ in change.updates)),
            *self._statements("delete", ((key, None) for key, _ in change.updates)),
            *self._statements("add", change.updates),
            *self._statements("add", change.adds),
        ]
        return (_transaction(lines),) if lines else ()

    def _statements(self, verb: str, entries: Iterable[Entry]) -> Iterator[str]:
        for (bits, prefix), group in groupby(sorted(entries, key=_net_of_entry), key=_net_of_entry):
            elements = ", ".join(map(_element, group))
            yield f"{verb} element {self._table} {_set_name(bits, prefix)} {{ {elements} }}"

    def check_commands(self) -> Sequence[Command]:
        """Return the quick listing, without elements, of all tables of the family."""
        return (Command(("nft", "--numeric", "--terse", "list", "ruleset", "inet")),)

    def list_commands(self) -> Sequence[Command]:
        """Return the listing of our table, without counters and remaining times."""
        argv = ("nft", "--numeric", "--stateless", "list", "table", *self._table.split())
        return (Command(argv, timeout_s=BULK_S),)

    # --- parsing

    def parse_check(self, outputs: Sequence[bytes]) -> Check:
        """Return the nets that have their set and, in a chain at the right place, exactly the right rule."""
        table = self._listed.search(outputs[0])
        if table is None:
            return Check(exists=False, ready=frozenset())
        body = table[1]
        sets = {(_BITS[found[1]], int(found[2])) for found in _SET.finditer(body)}
        chains = {(_BITS[found[1]], int(found[2])): found[3].decode() for found in _CHAIN.finditer(body)}
        return Check(
            exists=True, ready=frozenset(net for net in sets & chains.keys() if self._acts(net, chains[net]))
        )

    def _acts(self, net: Net, chain: str) -> bool:
        head, *rules = (line.strip() for line in chain.splitlines())
        in_place = head.startswith(f"type filter hook prerouting priority {PRIORITY};")
        return in_place and [_plain(rule) for rule in rules] == [_plain(self._rule(*net))]

    def parse_list(self, outputs: Sequence[bytes]) -> set[ClientKey]:
        """Return the clients in all sets."""
        (output,) = outputs
        if not self._listed.match(output):
            raise ValueError("nft printed no listing of our table")
        clients: set[ClientKey] = set()
        for found in _SET.finditer(output):
            family = socket.AF_INET if found[1] == b"4" else socket.AF_INET6
            length = bytes((int(found[2]),))
            elements = _ELEMENT.finditer(output, *found.span(3))
            try:
                clients.update(
                    ClientKey(socket.inet_pton(family, each[1].decode()) + length) for each in elements
                )
            except OSError:
                raise ValueError("nft printed an element that is no address") from None
        return clients


def _transaction(lines: Iterable[str]) -> Command:
    return Command(("nft", "-f", "-"), ("\n".join(lines) + "\n").encode(), BULK_S)


def _set_name(bits: int, prefix: int) -> str:
    return f"net{_FAMILIES[bits][0].decode()}_{prefix}"


def _net_of_entry(entry: Entry) -> Net:
    return net_of(entry[0])


def _element(entry: Entry) -> str:
    key, timeout_s = entry
    address = _address_text(key[:-1])
    return address if timeout_s is None else f"{address} timeout {timeout_s}s"


def _address_text(packed: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)  # noqa: PLR2004 - bytes


def _mask_text(bits: int, prefix: int) -> str:
    return _address_text(((1 << bits) - (1 << (bits - prefix))).to_bytes(bits // 8))


def _plain(rule: str) -> str:
    """Return a rule without what versions of nft print differently: ``==`` before a set, braces around one port."""
    return re.sub(r"\{ (\d+) \}", r"\1", rule.replace(" == @", " @"))
