# SPDX-License-Identifier: ISC
"""
pf: one table, filled through pfctl; the rule that uses it stands in pf.conf and is the administrator's.

Entries of pf have no time of their own. Open sessions outlive a new entry, because pf looks at states before rules;
so the states of new clients are killed. Where the rule closes some ports only (``ports``), they are not: pfctl cannot
choose states by port, and would cut the client's other connections too.

``-T add`` creates a table that is missing, ``-T delete`` does not. -q silences the counts ("1/1 addresses added."),
errors still come, with status 1. Packets are counted for each entry only where pf.conf says so, as in
``table <filter-ban> persist counters``; ``-T show -v`` then prints 350 to 500 bytes for an entry, else 50. To read
100,000 of them takes 1 s, or a quarter of that.

Source: pfctl(8); pfctl_table.c, pfctl.c and pfctl_radix.c of OpenBSD and FreeBSD: print_astats() and print_addrx() for
the listing, print_table() for the flags, pfr_strerror() for the messages, pfctl_net_kill_states() for -k.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from filter_ban.client import ClientKey, key_text, parse_network
from filter_ban.firewall.base import BULK_S, Change, Check, Command, Net
from filter_ban.firewall.xargs import each

MAX_KILLS: Final = (
    256  # pfctl -k takes one client a run; a larger batch is a reload, whose clients have no states
)
_NAME: Final = re.compile(r"(?:(\w[\w.-]*(?:/\w[\w.-]*)*)/)?([A-Za-z][\w.-]{0,30})", re.ASCII)
_MAX_ANCHOR_CHARS: Final = 63  # an anchor's name is a path; short ones hold on every pf
_DETAIL: Final = re.compile(rb"\t(?:Cleared:     .*|(In|Out)/(\w+): +\[ Packets: (\d{1,20}) +Bytes: \d+ +\])")


class Pf:
    """
    The pf table TABLE, or TABLE in an anchor.

    Args:
        ports: What the rule in pf.conf is limited to; only its being empty or not matters here.
        table: ``table`` or ``anchor/table``.

    Raises:
        ValueError: the name is impossible.

    """

    name: Final = "pf"
    lists: Final = True
    counts: Final = True

    def __init__(self, *, ports: Sequence[int] = (), table: str = "filter-ban") -> None:
        name = _NAME.fullmatch(table)
        if name is None or len(name[1] or "") > _MAX_ANCHOR_CHARS:
            raise ValueError(f"firewall.table: {table[:100]!r}: must be a pf table's name, or anchor/table")
        self._table = name[2]
        self._pfctl = ("pfctl", "-q", "-a", name[1]) if name[1] else ("pfctl", "-q")
        self._kills = not ports

    # --- building

    def setup_commands(self, nets: Collection[Net]) -> Sequence[Command]:  # noqa: ARG002 - one table holds all nets
        """Create the table if it is missing, by adding nothing."""
        return (self._on_table("add", ()),)

    def change_commands(self, change: Change) -> Sequence[Command]:
        """Return a command for what is removed, one for what is added, and one that cuts off new clients."""
        commands = []
        if change.removes:
            commands.append(self._on_table("delete", change.removes))
        if change.adds or change.updates:
            commands.append(self._on_table("add", (key for key, _ in (*change.adds, *change.updates))))
        if self._kills and len(change.adds) <= MAX_KILLS:
            commands += each(("pfctl", "-q", "-k"), [key for key, _ in change.adds])
        return commands

    def _on_table(self, verb: str, clients: Iterable[ClientKey]) -> Command:
        stdin = "".join(f"{key_text(key)}\n" for key in clients).encode()
        return Command((*self._pfctl, "-t", self._table, "-T", verb, "-f", "-"), stdin, BULK_S)

    def check_commands(self) -> Sequence[Command]:
        """Return the list of tables with their flags, and pf's state."""
        return Command((*self._pfctl, "-v", "-s", "Tables")), Command(("pfctl", "-q", "-s", "info"))

    def list_commands(self) -> Sequence[Command]:
        """Return the content of the table, with counters."""
        return (Command((*self._pfctl, "-v", "-t", self._table, "-T", "show"), timeout_s=BULK_S),)

    # --- parsing

    def parse_check(self, outputs: Sequence[bytes]) -> Check:
        r"""
        Return whether the table exists, a rule refers to it, and pf is enabled.

        A table is printed as flags, tab, name: ``-pa-r--\tfilter-ban``. ``r``: a rule of this ruleset refers to it;
        ``h``: one of an anchor does.
        """
        tables, info = (output.decode(errors="replace") for output in outputs)
        flags = {
            name: flag
            for flag, name, *_ in (line.split("\t") for line in tables.splitlines() if "\t" in line)
        }
        used = set("rh") & set(flags.get(self._table, ""))
        problem = ""
        if not used:
            problem = f"no rule uses <{self._table}>; 'filter-ban setup pf --apply' adds one to pf.conf"
        elif "Status: Enabled" not in info:
            problem = "pf is disabled; 'pfctl -e' enables it"
        return Check(exists=self._table in flags, problem=problem)

    def parse_list(self, outputs: Sequence[bytes]) -> dict[ClientKey, int]:
        r"""
        Return the clients in the table, and how many of their packets were blocked.

        An entry is a line of three characters and the address or prefix: ``   192.0.2.7``. Details follow, indented:
        ``\tIn/Block:    [ Packets: 12                 Bytes: 720                ]``. The administrator's exceptions
        (``  !192.0.2.7``) are not ours.
        """
        (output,) = outputs
        clients: dict[ClientKey, int] = {}
        key: ClientKey | None = None
        for line in filter(None, output.split(b"\n")):
            if line.startswith(b"\t"):
                detail = _DETAIL.fullmatch(line)
                if detail is None:
                    raise ValueError(f"pfctl printed {line[:100]!r}, which is no detail of an entry")
                if key is not None and detail[2] == b"Block":
                    clients[key] += int(detail[3])
            elif line.startswith(b"!", 2):
                key = None
            else:
                key = parse_network(line.decode(errors="replace"))
                clients[key] = 0
        return clients
