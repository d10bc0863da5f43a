# SPDX-License-Identifier: ISC
"""
ipfw: one table of type ``addr``, filled through ipfw; the rule that uses it is the administrator's.

A batch is a file of commands, one entry a line, read from /dev/stdin (ipfw reads a file if its last argument is an
absolute path). It stops at the first line that fails, whose number is in the message. With -q, adding what is there
updates it and deleting what is not there is no error. The table is created where it is missing; one that exists with
another type, algorithm, limit or value type than the default is told, and left alone. What a table maps to is 0 and
means nothing; packets are counted for rules, not for entries.

**Open connections** depend on the rule's place. A rule before the first ``check-state``, ``keep-state`` or ``limit``
sees each packet, so that the connections of a new client die at once; one behind it sees only packets that belong
to no dynamic rule, and connections stay that one has let in.

Source: sbin/ipfw of FreeBSD: main.c, ipfw_main() and ipfw_readfile(); tables.c, as of FreeBSD 15, table_create(),
table_modify_record(), table_show_info() and table_show_entry(); ipfw2.c, ipfw_check_object_name(). Of dynamic rules:
ipfw(8), STATEFUL FIREWALL.
"""

import re
from collections.abc import Collection, Sequence
from typing import Final

from filter_ban.client import ClientKey, key_text, parse_network
from filter_ban.firewall.base import BULK_S, Change, Check, Command, Net

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}")
_DENIALS: Final = rb"deny|reject|reset6?|unreach6?|abort6?"
_SWITCHES: Final = ("net.inet.ip.fw.enable", "net.inet6.ip6.fw.enable")


class Ipfw:
    """
    The ipfw table TABLE in set 0.

    Args:
        ports: What the rule is limited to; makes no difference here.
        table: Name of the table.

    Raises:
        ValueError: the name is impossible.

    """

    name: Final = "ipfw"
    lists: Final = True
    counts: Final = False

    def __init__(self, *, ports: Sequence[int] = (), table: str = "filter-ban") -> None:  # noqa: ARG002 - they are the rule's
        if not _NAME.fullmatch(table) or table == "all":
            raise ValueError(
                f"firewall.table: {table[:100]!r}: must be letters, digits, -, _ and ., at most 63 characters"
            )
        self._table = table
        name = re.escape(table.encode())
        self._info = re.compile(
            rb"^--- table\(%s\), set\(0\) ---\n kindex: \d+, type: (\w+)" % name, re.MULTILINE
        )
        self._rule = re.compile(
            rb"^\d+ .*?\b(?:%s) .*?\b(?:(?:from|src-ip) (?:\{ )?(?:\S+ or )*table\(%s\)|lookup src-ip %s(?![\w.-]))"
            % (_DENIALS, name, name),
            re.MULTILINE,
        )

    # --- building

    def setup_commands(self, nets: Collection[Net]) -> Sequence[Command]:  # noqa: ARG002 - one table holds all nets
        """Create the table if it is missing."""
        return (Command(("ipfw", "-q", "table", self._table, "create", "type", "addr", "missing")),)

    def change_commands(self, change: Change) -> Sequence[Command]:
        """Return one command for everything."""
        lines = [
            *(f"table {self._table} delete {key_text(key)}\n" for key in change.removes),
            *(f"table {self._table} add {key_text(key)}\n" for key in change.clients()),
        ]
        return (Command(("ipfw", "-q", "/dev/stdin"), "".join(lines).encode(), BULK_S),) if lines else ()

    def check_commands(self) -> Sequence[Command]:
        """Return what the tables are, the rules, and ipfw's switches."""
        return (
            Command(("ipfw", "table", "all", "info")),
            Command(("ipfw", "list")),
            Command(("sysctl", "-i", "-n", *_SWITCHES)),
        )

    def list_commands(self) -> Sequence[Command]:
        """Return the content of the table."""
        return (Command(("ipfw", "table", self._table, "list"), timeout_s=BULK_S),)

    # --- parsing

    def parse_check(self, outputs: Sequence[bytes]) -> Check:
        """Return whether the table exists and holds addresses, a rule denies what is in it, and ipfw is enabled."""
        tables, rules, switches = outputs
        info = self._info.search(tables)
        problem = ""
        if info is not None and info[1] != b"addr":
            problem = f"table {self._table} is not of type addr; another one can be named in firewall.table"
        elif not self._rule.search(rules):
            problem = f"no rule denies table({self._table}); 'filter-ban setup ipfw --apply' adds one"
        elif b"0" in switches.split() or not switches.strip():
            problem = "ipfw is disabled; 'ipfw enable firewall' enables it"
        return Check(exists=info is not None, problem=problem)

    def parse_list(self, outputs: Sequence[bytes]) -> dict[ClientKey, int]:
        """Return the clients in the table, which is printed as one prefix and its value a line: ``192.0.2.7/32 0``."""
        (output,) = outputs
        return {
            parse_network(line.partition(" ")[0]): 0 for line in output.decode(errors="replace").splitlines()
        }
