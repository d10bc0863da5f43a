# SPDX-License-Identifier: ISC
"""
nftables: a table of our own, with one set, one base chain and one or two rules for each prefix length in use.

Sets are hash sets, so that an entry costs the same at any size: the client's address is masked by the rule and the
result looked up. (In an interval set of 100,000 elements one more takes most of a second.)

Hook ``prerouting``: before raw and connection tracking, for everything that arrives, also for what is only routed
through (containers, guests). The ports of a rule are those before any address translation. Hook ``input``: for this
machine alone, the ports being those after translation. In both, packets of open sessions are dropped like new ones:
the chains come first, and what another chain accepts ("ct state established accept") ends that chain alone.

Action ``reject`` answers TCP by a reset and the rest by ICMP "administratively prohibited", to open sessions too. In
prerouting it needs Linux 5.9; an older one says "Operation not supported".

Measured with nft 1.0.6 and 1.1.3 on Linux 6.18, 100,000 elements in the set; what decides the form of the commands:

- ``add element`` alone takes 2 ms with the start of nft, and fails where the set is gone. As soon as a rule, a chain
  or a deletion is in the transaction, the kernel waits for its readers: 16 ms. So sets and rules are sent apart, once.
- ``nft -t list ruleset inet`` takes 5 ms, ``nft -t list table`` reads all elements first: 800 ms.
- Listing 100,000 elements with their counters takes 0.9 to 1.4 s, and 0.1 to 0.2 s to parse. ``--stateless``, without
  counters, is 10 to 25 % faster; JSON 40 % slower, and 0.4 s to parse.
- Adding an element that is there changes its time, and makes it endless without one, since Linux 6.12, the counter
  running on; before that nothing happens. Add, delete and add in one transaction always does it, and the counter
  begins anew. Likewise add and delete together remove what may be absent (``destroy`` needs nft 1.0.7).
- A chain cannot be moved to another hook ("Operation not supported"), but deleted and added in one transaction, so
  that no packet slips through. Set and counters stay.

Source: nft(8); Debian 12 (nft 1.0.6) and Debian 13 (1.1.3).
"""

import platform
import re
import socket
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from filter_ban.client import ClientKey
from filter_ban.firewall.base import BULK_S, Change, Check, Command, Entry, Net, net_of

HOOKS: Final = ("prerouting", "input")
ACTIONS: Final = ("drop", "reject")
PRIORITY: Final = -310  # before raw (-300) and connection tracking (-200), after defragmentation (-400)
RENEWS_SINCE: Final = (6, 12)  # Linux that changes the time of an element which is added again

_TCP: Final = "meta l4proto 6 "  # this and icmpx as --numeric prints them
_TCP_RESET: Final = "reject with tcp reset"
_PROHIBITED: Final = "reject with icmpx 3"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}")
_SET: Final = re.compile(rb"^\t(?:set|map) net([46])_(\d{1,3}) \{\n(.*?)^\t\}", re.MULTILINE | re.DOTALL)
# an element as it is printed: 192.0.2.7 counter packets 5 bytes 300 timeout 3600s expires 3599s
_ELEMENT: Final = re.compile(rb"[{,]\s+([0-9a-f:.]+)(?: counter packets (\d{1,20}))?")
_DORMANT: Final = re.compile(rb"^\tflags .*\bdormant\b", re.MULTILINE)
_RELEASE: Final = re.compile(r"(\d+)\.(\d+)")
_CHAIN: Final = re.compile(rb"^\tchain net([46])_(\d{1,3}) \{\n(.*?)^\t\}", re.MULTILINE | re.DOTALL)
_FAMILIES: Final = {32: (b"4", "ip", "ipv4_addr"), 128: (b"6", "ip6", "ipv6_addr")}
_BITS: Final = {b"4": 32, b"6": 128}


class Nftables:
    """
    The table ``inet TABLE``.

    Args:
        ports: TCP ports that are closed to the clients; empty: everything is.
        table: Name of the table.
        hook: One of ``HOOKS``.
        action: One of ``ACTIONS``.
        linux: Release of the kernel; by default of the one that runs.

    Attributes:
        renews: Whether this kernel gives an element that is added again another time.

    Raises:
        ValueError: one of them is impossible.

    """

    name: Final = "nftables"
    lists: Final = True
    counts: Final = True

    def __init__(
        self,
        *,
        ports: Sequence[int] = (),
        table: str = "filter_ban",
        hook: str = "prerouting",
        action: str = "drop",
        linux: str | None = None,
    ) -> None:
        if not _NAME.fullmatch(table):
            raise ValueError(
                f"firewall.table: {table[:100]!r}: must be letters, digits and _, at most 31 characters"
            )
        if not all(0 < port < 1 << 16 for port in ports):
            raise ValueError(f"firewall.ports: {ports!r}: must be 1 to 65535")
        if hook not in HOOKS:
            raise ValueError(f"firewall.hook: {hook[:100]!r}: must be one of {', '.join(HOOKS)}")
        if action not in ACTIONS:
            raise ValueError(f"firewall.action: {action[:100]!r}: must be one of {', '.join(ACTIONS)}")
        self._chain = f"type filter hook {hook} priority {PRIORITY};"
        self._rejects = action == "reject"
        self.renews = _version(platform.release() if linux is None else linux) >= RENEWS_SINCE
        self._ports = sorted(set(ports))
        self._table = f"inet {table}"
        self._listed = re.compile(rb"^table inet %s \{\n(.*?)^\}" % table.encode(), re.MULTILINE | re.DOTALL)

    # --- building

    def setup_commands(self, nets: Collection[Net]) -> Sequence[Command]:
        """Create the sets, and make the chains with their rules anew, in one transaction."""
        lines = [f"add table {self._table}"]
        for bits, prefix in sorted(nets):
            where = f"{self._table} {_set_name(bits, prefix)}"
            lines += (
                f"add set {where} {{ type {_FAMILIES[bits][2]}; flags timeout; counter; }}",
                f"add chain {where}",
                f"flush chain {where}",
                f"delete chain {where}",
                f"add chain {where} {{ {self._chain} policy accept; }}",
                *(f"add rule {where} {rule}" for rule in self._rules(bits, prefix)),
            )
        return (_transaction(lines),)

    def _rules(self, bits: int, prefix: int) -> list[str]:
        mask = "" if prefix == bits else f"& {_mask_text(bits, prefix)} "
        match = f"{_FAMILIES[bits][1]} saddr {mask}@{_set_name(bits, prefix)}"
        ports = f"tcp dport {{ {', '.join(map(str, self._ports))} }} " if self._ports else ""
        if not self._rejects:
            return [f"{ports}{match} drop"]
        if ports:
            return [f"{ports}{match} {_TCP_RESET}"]
        return [f"{_TCP}{match} {_TCP_RESET}", f"{match} {_PROHIBITED}"]

    def change_commands(self, change: Change) -> Sequence[Command]:
        """Return one transaction for everything."""
        gone = [(key, None) for key in change.removes]
        if not self.renews:
            gone += ((key, None) for key, _ in change.updates)
        lines = [
            *self._statements("add", gone),
            *self._statements("delete", gone),
            *self._statements("add", (*change.updates, *change.adds)),
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
        """Return the listing of our table."""
        argv = ("nft", "--numeric", "list", "table", *self._table.split())
        return (Command(argv, timeout_s=BULK_S),)

    # --- parsing

    def parse_check(self, outputs: Sequence[bytes]) -> Check:
        """Return the nets that have their set and, in a chain at the right place, exactly the right rules."""
        table = self._listed.search(outputs[0])
        if table is None:
            return Check(exists=False, ready=frozenset())
        body = table[1]
        listed = {
            (_BITS[found[1]], int(found[2])): found[3].decode(errors="replace")
            for found in _SET.finditer(body)
        }
        sets = {
            net for net, text in listed.items() if set(map(str.strip, text.splitlines())) == _set_lines(net)
        }
        chains = {
            (_BITS[found[1]], int(found[2])): found[3].decode(errors="replace")
            for found in _CHAIN.finditer(body)
        }
        ready = frozenset(net for net in sets & chains.keys() if self._acts(net, chains[net]))
        if _DORMANT.search(body):
            return Check(
                exists=True,
                ready=ready,
                problem=f"the table is dormant; 'nft add table {self._table}' wakes it up",
            )
        strange = listed.keys() - sets
        problem = self._problem(strange) if strange else ""
        return Check(exists=True, ready=ready, problem=problem, inert={bits: problem for bits, _ in strange})

    def _problem(self, strange: Collection[Net]) -> str:
        names = ", ".join(_set_name(*net) for net in sorted(strange))
        return f"not as filter-ban makes it: {names}; 'nft delete table {self._table}' and 'filter-ban resync' mend it"

    def _acts(self, net: Net, chain: str) -> bool:
        head, _, rules = chain.partition("\n")
        found = [_plain(line.strip()) for line in rules.splitlines()]
        return head.strip().startswith(self._chain) and found == [_plain(rule) for rule in self._rules(*net)]

    def parse_list(self, outputs: Sequence[bytes]) -> dict[ClientKey, int]:
        """Return the clients in all sets, and how many packets the rules have found each in."""
        (output,) = outputs
        if not self._listed.match(output):
            raise ValueError("nft printed no listing of our table")
        clients: dict[ClientKey, int] = {}
        for found in _SET.finditer(output):
            family = socket.AF_INET if found[1] == b"4" else socket.AF_INET6
            length = bytes((int(found[2]),))
            elements = _ELEMENT.findall(output, *found.span(3))
            try:
                clients |= {
                    ClientKey(socket.inet_pton(family, address.decode()) + length): int(packets or 0)
                    for address, packets in elements
                }
            except OSError:
                raise ValueError("nft printed an element that is no address") from None
        return clients


def _transaction(lines: Iterable[str]) -> Command:
    return Command(("nft", "-f", "-"), ("\n".join(lines) + "\n").encode(), BULK_S)


def _set_name(bits: int, prefix: int) -> str:
    return f"net{_FAMILIES[bits][0].decode()}_{prefix}"


def _set_lines(net: Net) -> set[str]:
    """Return what a set of ours consists of, in the listing without elements."""
    return {f"type {_FAMILIES[net[0]][2]}", "flags timeout", "counter"}


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


def _version(release: str) -> tuple[int, int]:
    """Return the first two numbers of ``6.12.48+deb13-amd64``."""
    found = _RELEASE.match(release)
    return (int(found[1]), int(found[2])) if found else (0, 0)
