# SPDX-License-Identifier: ISC
"""
ipset: a set for IPv4 and one for IPv6, which rules of iptables match; the rules are the administrator's, or ufw's.

Sets are ``hash:net``: addresses and prefixes of any length stand in one set, and a look-up costs one probe for each
length in use. A rule that matches a set counts the packets of the entry.

What decides the form of the commands (ipset 7.17, Linux 6.18):

- ``restore`` is no transaction: lines before the one that fails are done. ``-exist`` makes adding what is there, and
  removing what is not, no errors; adding again sets the time anew and keeps the counters.
- Lines that follow each other for the same set go to the kernel together: 20 % faster than in any order.
- ``create -exist`` fails where a set of that name has other parameters, save hashsize. So only missing sets are
  created; one that somebody made otherwise is used as it is, if it is ``hash:net`` with ``timeout``.
- ``save NAME`` fails where there is no such set, and a set may be missing while the other is in use; so that is no
  failure of the listing. ``ip6tables-save`` may fail as well, or be missing, on a machine without IPv6.

Source: ipset(8); Debian 12 (ipset 7.17, iptables 1.8.9).
"""

import re
import socket
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from filter_ban.client import IPV4_BITS, IPV6_BITS, ClientKey, key_text, make_key
from filter_ban.firewall.base import BULK_S, Change, Check, Command, Net
from filter_ban.firewall.iptables_rules import uses_set

HASHSIZE: Final = 16_384  # at first: 128 KB of kernel memory, and 6 MB with 100,000 entries
MAX_ENTRIES: Final = 1_000_000
MAX_TIMEOUT_S: Final = 2_147_483  # of ipset; what lives longer stays until we remove it

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,27}")  # as a chain is named so too
_REMEDIES: Final = {
    "ipset": "'filter-ban setup iptables' prints one",
    "iptables": "'filter-ban setup iptables --apply' adds one, '12-filter-ban insert' loads it",
    "ufw": "'filter-ban setup ufw --apply' and 'ufw reload' add one; is ufw on?",
}
_FAMILIES: Final = {IPV4_BITS: "inet", IPV6_BITS: "inet6"}
_ENTRY: Final = rb"^add %s ([0-9a-f:.]+)(?:/(\d{1,3}))? timeout \d+( nomatch)?(?: packets (\d+))?.*\n"


def create_lines(table: str, max_entries: int = MAX_ENTRIES) -> tuple[str, str]:
    """Return the lines, for ``ipset restore``, that create the sets for IPv4 and IPv6."""
    ipv4, ipv6 = (
        f"create {table}{number} hash:net family {family} hashsize {HASHSIZE} maxelem {max_entries} timeout 0 counters"
        for number, family in ((4, "inet"), (6, "inet6"))
    )
    return ipv4, ipv6


class Ipset:
    """
    The sets TABLE4 and TABLE6.

    Args:
        name: Name in the configuration: who owns the rules, and so what to do where they are missing.
        table: Start of the sets' names.
        max_entries: Most entries of each set, where we create it.
        ports: TCP ports that rules must close to the clients; empty: those that the rules say.

    Raises:
        ValueError: a name is impossible.

    """

    lists: Final = True
    counts: Final = True

    def __init__(
        self,
        *,
        name: str = "ipset",
        table: str = "filter-ban",
        max_entries: int = MAX_ENTRIES,
        ports: Sequence[int] = (),
    ) -> None:
        if name not in _REMEDIES:
            raise ValueError(f"firewall.backend: {name[:100]!r}: must be one of {', '.join(_REMEDIES)}")
        if not _NAME.fullmatch(table):
            raise ValueError(
                f"firewall.table: {table[:100]!r}: must be letters, digits and ._-, at most 28 characters"
            )
        self.name: Final = name
        self._sets: Final = {IPV4_BITS: f"{table}4", IPV6_BITS: f"{table}6"}
        self._ports = ports
        self._creates = dict(zip(self._sets, create_lines(table, max_entries), strict=True))

    # --- building

    def setup_commands(self, nets: Collection[Net]) -> Sequence[Command]:
        """Create the sets of *nets*."""
        return (_restore([self._creates[bits] for bits in sorted({bits for bits, _ in nets})]),)

    def change_commands(self, change: Change) -> Sequence[Command]:
        """Return one batch for everything; of each set first what is removed, so that a full one has room."""
        lines: list[str] = []
        for bits, name in self._sets.items():
            size = bits // 8 + 1
            lines += (f"del {name} {key_text(key)}" for key in change.removes if len(key) == size)
            lines += (
                f"add {name} {key_text(key)} timeout {_timeout_s(life_s)}"
                for key, life_s in (*change.adds, *change.updates)
                if len(key) == size
            )
        return (_restore(lines),) if lines else ()

    def check_commands(self) -> Sequence[Command]:
        """Return the list of sets without entries, and all rules."""
        return (
            Command(("ipset", "list", "-terse")),
            Command(("iptables-save",)),
            Command(("ip6tables-save",), may_fail=True, optional=True),
        )

    def list_commands(self) -> Sequence[Command]:
        """Return the listings of both sets."""
        return tuple(
            Command(("ipset", "save", name), timeout_s=BULK_S, may_fail=True) for name in self._sets.values()
        )

    # --- parsing

    def parse_check(self, outputs: Sequence[bytes]) -> Check:
        """
        Return which sets exist, and whether rules use that for IPv4, and that for IPv6 if it has entries.

        Raises:
            ValueError: a set of our name is of another kind, so that entries cannot be put there.

        """
        listed, *saved = (output.decode(errors="replace") for output in outputs)
        present = _sets(listed)
        entries = {
            bits: self._entries(bits, present[name]) for bits, name in self._sets.items() if name in present
        }
        unused = {
            bits: name
            for (bits, name), rules in zip(self._sets.items(), saved, strict=True)
            if not uses_set(rules, name, self._ports)
        }
        told = [name for bits, name in unused.items() if bits == IPV4_BITS or entries.get(bits)]
        return Check(
            exists=bool(entries),
            ready=frozenset((bits, prefix) for bits in entries for prefix in range(1, bits + 1)),
            problem=self._problem(told) if told else "",
            inert={bits: self._problem([name]) for bits, name in unused.items()},
        )

    def _problem(self, unused: Sequence[str]) -> str:
        where = (
            f" for all of firewall.ports ({', '.join(map(str, sorted(self._ports)))})" if self._ports else ""
        )
        return f"no rule uses the set {' or '.join(unused)}{where}; {_REMEDIES[self.name]}"

    def _entries(self, bits: int, fields: Mapping[str, str]) -> int:
        header = fields.get("Header", "").split()
        if fields.get("Type") != "hash:net" or header[1:2] != [_FAMILIES[bits]] or "timeout" not in header:
            name, family = self._sets[bits], _FAMILIES[bits]
            raise ValueError(
                f"the set {name} is no 'hash:net family {family} timeout 0'; destroy it or use another firewall.table"
            )
        return int(fields.get("Number of entries", "0"))

    def parse_list(self, outputs: Sequence[bytes]) -> dict[ClientKey, int]:
        """Return the clients in our sets; exceptions (``nomatch``) that somebody put there are none."""
        if not any(outputs):
            raise ValueError("ipset printed no listing of our sets")
        clients: dict[ClientKey, int] = {}
        for (bits, name), output in zip(self._sets.items(), outputs, strict=True):
            if output:
                clients |= _clients(output, bits, name)
        return clients


def _restore(lines: Iterable[str]) -> Command:
    return Command(("ipset", "restore", "-exist"), "".join(f"{line}\n" for line in lines).encode(), BULK_S)


def _timeout_s(life_s: int | None) -> int:
    """Return the time as ipset takes it, 0 being without end; the ledger's expiry comes first anyway."""
    return 0 if life_s is None or life_s > MAX_TIMEOUT_S else life_s


def _sets(listed: str) -> dict[str, dict[str, str]]:
    """Return the fields of each set; sets are apart by an empty line."""
    blocks = (
        dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        for block in listed.split("\n\n")
    )
    return {fields["Name"]: fields for fields in blocks if "Name" in fields}


def _clients(output: bytes, bits: int, name: str) -> dict[ClientKey, int]:
    """
    Return the entries of one set, and the packets of each.

    Raises:
        ValueError: this is no listing of it.

    """
    lines = output.count(b"\n")
    found = re.findall(_ENTRY % re.escape(name.encode()), output, re.MULTILINE)
    head = f"create {name} ".encode()
    if not (output.startswith(head) and output.endswith(b"\n") and len(found) == lines - 1):
        raise ValueError(f"ipset printed no listing of {name}")
    family = socket.AF_INET if bits == IPV4_BITS else socket.AF_INET6
    whole = bytes((bits,))
    clients: dict[ClientKey, int] = {}
    try:
        for address, prefix, nomatch, packets in found:
            packed = socket.inet_pton(family, address.decode())
            key = make_key(packed, int(prefix)) if prefix else ClientKey(packed + whole)
            if not nomatch:
                clients[key] = int(packets or 0)
    except (OSError, ValueError):
        raise ValueError(f"ipset printed an entry of {name} that is no address") from None
    return clients
