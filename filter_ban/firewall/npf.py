# SPDX-License-Identifier: ISC
"""
npf: one table, filled through npfctl; the table and the rule that uses it stand in npf.conf.

The table must be of type ``lpm``: ``ipset`` takes no prefixes and ``const`` no changes. npfctl cannot create one. It
keeps its entries when npf.conf is loaded again, and loses them at ``npfctl flush`` and at a reboot. npf counts
nothing for an entry.

**Open connections stay.** npf asks its connections before its rules, so packets of a ``stateful`` rule's connection
pass a ban that came later, and npfctl removes no connection of a client (only ``npfctl flush`` removes them, all).
The mail server has to end the session; it does, as a banned client is refused at its next command.

A comparison that finds much to do replaces the table at one stroke (``table NAME replace -``). The kernel takes 4 MiB
for that (NPF_IOCTL_DATA_LIMIT), which is some 40,000 entries. Apart from that, npfctl adds and removes one entry a
run, hence xargs: minutes for 100,000. Neither is idempotent and only a message tells why ("entry already exists or is
conflicting"), so the status of both is ignored, and what was added is proven afterwards: ``table NAME test`` for a
few, the listing for many.

An lpm table adds no prefix whose first address is in it. Inside a wider entry that is as good. A prefix that begins
with another entry, as 192.0.2.0/24 with 192.0.2.0, fails until that one has gone; so wider ones are added first. And
``rem`` of an address that is not there itself removes the wider entry around it; the next comparison puts that back.

Source: npfctl(8) of NetBSD 9.2, npf.conf(5) of NetBSD-current; usr.sbin/npf/npfctl: npfctl.c 1.65, npf_cmd.c 1.1,
npf_show.c 1.37, npf_scan.l (names); sys/net/npf: npf_tableset.c, npf_ctl.c, npf_handler.c.
"""

import re
from collections.abc import Collection, Sequence
from functools import partial
from typing import Final

from filter_ban.client import ClientKey, NetworkSet, address_text, key_text, make_key, pack_address, prefix_of
from filter_ban.firewall.base import BULK_S, Change, Check, Command, Fault, FirewallError, Net
from filter_ban.firewall.xargs import each

MAX_TESTS: Final = 8  # entries that are proven one by one; npfctl(8) calls a listing expensive
MAX_REPLACED: Final = 32_768  # 4 MiB at 128 bytes; as a packed nvlist an IPv6 entry takes about 110
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,30}")  # NPF_TABLE_MAXNAMELEN is 32
_ENTRY: Final = re.compile(r"([0-9a-f:.]{2,45})(?:/(\d{1,3}))?")
_ACTIVE: Final = re.compile(rb"^# filtering:\tactive$", re.MULTILINE)


class Npf:
    """
    The npf table TABLE.

    Args:
        ports: What the rule in npf.conf is limited to; makes no difference here.
        table: Name of the table.

    Raises:
        ValueError: the name is impossible.

    """

    name: Final = "npf"
    lists: Final = True
    counts: Final = False

    def __init__(self, *, ports: Sequence[int] = (), table: str = "filter-ban") -> None:  # noqa: ARG002 - they are the rule's
        if not _NAME.fullmatch(table):
            raise ValueError(
                f"firewall.table: {table[:100]!r}: must be letters, digits, - and _, at most 31 characters"
            )
        self._table = table
        self._npfctl = ("npfctl", "table", table)
        name = re.escape(table.encode())
        self._declared = re.compile(rb"^table <%s> type (\S+)$" % name, re.MULTILINE)
        self._rule = re.compile(rb"^\t*block .*?\bfrom (?:\{ (?:[^}]*, )?)?<%s>" % name, re.MULTILINE)

    # --- building

    def setup_commands(self, nets: Collection[Net]) -> Sequence[Command]:  # noqa: ARG002 - one table holds all nets
        """Fail unless the table is there; npfctl cannot create it."""
        return (Command(("npfctl", "show"), heed=self._heed_absence),)

    def _heed_absence(self, output: bytes) -> None:
        if not self._declared.search(output):
            raise FirewallError(("npfctl",), None, self._absent(), Fault.GONE)

    def change_commands(self, change: Change) -> Sequence[Command]:
        """Return one command for all; or one for what is removed, one for what is added, and what proves that it was."""
        if len(change) > MAX_TESTS and change.whole is not None and len(change.whole) <= MAX_REPLACED:
            return [self._replacement(NetworkSet(change.whole))]
        added = sorted(change.clients(), key=prefix_of)
        return [
            *each((*self._npfctl, "rem"), change.removes, may_fail=True),
            *each((*self._npfctl, "add"), added, may_fail=True),
            *self._proof(added),
        ]

    def _replacement(self, clients: NetworkSet) -> Command:
        widest = (key for key in clients if clients.covering(key) == key)
        stdin = "".join(f"{key_text(key)}\n" for key in widest).encode()
        return Command((*self._npfctl, "replace", "-"), stdin, BULK_S)

    def _proof(self, clients: Collection[ClientKey]) -> Sequence[Command]:
        if len(clients) <= MAX_TESTS:
            return [Command((*self._npfctl, "test", _last_address(key))) for key in clients]
        heed = partial(self._heed_missing, clients)
        return [Command((*self._npfctl, "list"), timeout_s=BULK_S, heed=heed)]

    def _heed_missing(self, clients: Collection[ClientKey], output: bytes) -> None:
        try:
            present = NetworkSet(self.parse_list([output]))
        except ValueError as error:
            raise FirewallError(("npfctl",), None, str(error)) from None
        missing = sum(present.covering(key) is None for key in clients)
        if missing:
            why = f"{missing} of {len(clients)} entries could not be added"
            raise FirewallError(("npfctl",), None, why, Fault.GONE)

    def check_commands(self) -> Sequence[Command]:
        """Return npf's state, tables and rules, without entries."""
        return (Command(("npfctl", "show")),)

    def list_commands(self) -> Sequence[Command]:
        """Return the content of the table."""
        return (Command((*self._npfctl, "list"), timeout_s=BULK_S),)

    # --- parsing

    def parse_check(self, outputs: Sequence[bytes]) -> Check:
        """Return whether the table exists and takes prefixes, a rule blocks what is in it, and npf is active."""
        (output,) = outputs
        declared = self._declared.search(output)
        setup = "'filter-ban setup npf --apply'"
        if declared is None:
            return Check(exists=False, problem=self._absent())
        problem = ""
        if declared[1] != b"lpm":
            problem = f"<{self._table}> must be a table of type lpm; {setup} declares one in npf.conf"
        elif not self._rule.search(output):
            problem = f"no rule blocks <{self._table}>; {setup} adds one to npf.conf"
        elif not _ACTIVE.search(output):
            problem = "npf is not active; 'npfctl start' starts it"
        return Check(exists=True, problem=problem)

    def _absent(self) -> str:
        return f"there is no table <{self._table}>; 'filter-ban setup npf --apply' declares it in npf.conf"

    def parse_list(self, outputs: Sequence[bytes]) -> dict[ClientKey, int]:
        """Return the clients in the table, which is printed as one address with its prefix length a line."""
        (output,) = outputs
        return {_parse_entry(line): 0 for line in output.decode(errors="replace").splitlines()}


def _last_address(key: ClientKey) -> str:
    """Return the address of *key* that the fewest others contain: the first may have an entry of its own."""
    size = len(key) - 1
    host_bits = (1 << (size * 8 - prefix_of(key))) - 1
    return address_text(make_key((int.from_bytes(key[:-1]) | host_bits).to_bytes(size), size * 8))


def _parse_entry(line: str) -> ClientKey:
    """Return the key of an entry; npf keeps an administrator's host bits, which mean nothing."""
    found = _ENTRY.fullmatch(line)
    if found is None:
        raise ValueError(f"npfctl printed {line[:100]!r}, which is no entry")
    packed = pack_address(found[1])
    bits = len(packed) * 8
    prefix = int(found[2] or bits)
    if prefix > bits:
        raise ValueError(f"npfctl printed {line[:100]!r}, which is no entry")
    return make_key(packed, prefix)
