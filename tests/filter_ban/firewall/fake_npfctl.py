# SPDX-License-Identifier: ISC
"""
An npfctl that keeps its packet filter in a JSON file; strict about arguments, with the real tool's messages.

Usage: ``fake_npfctl.py STATE.json npfctl|xargs arguments...``. The file holds ``active``, ``denied``, ``limit``
(entries that the kernel has memory for), ``tables`` (name: ``type`` and ``entries``), ``rules`` (lines as `npfctl show`
prints them) and ``log`` (the tool and arguments of each run). As xargs it knows ``-n 1`` and runs itself, in one
process.

An lpm table is looked up by address, whatever prefix was asked for, as npf_table_insert() and npf_table_remove() do.

Source: usr.sbin/npf/npfctl/npfctl.c 1.65, npf_cmd.c 1.1, npf_data.c, npf_show.c 1.37; sys/net/npf/npf_tableset.c.
"""

import ipaddress
import json
import sys
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

Net: TypeAlias = tuple[int, int, int]  # address bits, prefix length, address

USAGE = (
    'Usage:\tnpfctl start | stop | flush | show | stats\n\tnpfctl table "table-name" { add | rem | test } ...'
)
MAX_DATA_BYTES = 4 << 20  # NPF_IOCTL_DATA_LIMIT
ENTRY_BYTES = {32: 99, 128: 111}  # of a packed nvlist with address and mask
INVALID = "invalid address, mask or table ID"  # EINVAL


def fail(message: str) -> NoReturn:
    """Leave as err(3) and errx(3) do."""
    print(f"npfctl: {message}", file=sys.stderr)
    sys.exit(1)


def usage() -> NoReturn:
    """Leave as the tool does when it does not understand."""
    print(USAGE, file=sys.stderr)
    sys.exit(1)


def parse_cidr(text: str) -> Net:
    """Return what npfctl_parse_cidr() does of an address with or without a prefix length."""
    address, slash, mask = text.partition("/")
    try:
        parsed = ipaddress.ip_address(address)
        prefix = int(mask) if slash else parsed.max_prefixlen
    except ValueError:
        fail(f"invalid CIDR '{text}'")
    if not 0 <= prefix <= parsed.max_prefixlen:
        fail(INVALID)
    return parsed.max_prefixlen, prefix, int(parsed)


class Table:
    """One table, in the kernel's manner."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.type = state["type"]
        nets = [parse_cidr(text) for text in state["entries"]]
        self.entries = {self.place(net, net[1]): net for net in nets}
        self.prefixes = {net[1] for net in nets}  # that ever were in use

    @staticmethod
    def place(net: Net, prefix: int) -> tuple[int, int, int]:
        """Return where an entry of that prefix length, and the address of *net*, stands."""
        bits, _, address = net
        return bits, prefix, address >> (bits - prefix)

    def lookup(self, net: Net) -> tuple[int, int, int] | None:
        """Return the place of the longest prefix that contains the address of *net*."""
        places = (self.place(net, each) for each in sorted(self.prefixes, reverse=True) if each <= net[0])
        return next((place for place in places if place in self.entries), None)

    def insert(self, net: Net, limit: int) -> None:
        """Add an entry."""
        if self.type == "const" or (self.type == "ipset" and net[1] != net[0]):
            fail(INVALID)
        if self.lookup(net) is not None:
            fail("entry already exists or is conflicting")
        if len(self.entries) >= limit:
            fail("ioctl(IOC_NPF_TABLE): Cannot allocate memory")
        self.entries[self.place(net, net[1])] = net
        self.prefixes.add(net[1])

    def remove(self, net: Net) -> None:
        """Remove the entry that the address of *net* finds."""
        if self.type == "const":
            fail(INVALID)
        found = self.lookup(net)
        if found is None:
            fail("not found")
        del self.entries[found]

    def texts(self) -> list[str]:
        """Return the entries as they are listed."""
        show = ipaddress.IPv4Address, ipaddress.IPv6Address
        return [f"{show[bits == 128](address)}/{prefix}" for bits, prefix, address in self.entries.values()]


class Npfctl:
    """The tool; may be run several times."""

    def __init__(self, npf: dict[str, Any]) -> None:
        self.npf = npf
        self.tables = {name: Table(table) for name, table in npf["tables"].items()}

    def run(self, arguments: list[str]) -> None:
        """Do what the arguments say; each combination that is not listed is an error."""
        if self.npf["denied"]:
            fail("open: '/dev/npf': Permission denied")
        match arguments:
            case ["show"]:
                self.show()
            case ["table", name, verb, *rest]:
                self.on_table(name, verb, rest)
            case _:
                usage()

    def on_table(self, name: str, verb: str, arguments: list[str]) -> None:
        """Do what the words after a table's name say."""
        match verb, arguments:
            case "list", []:
                print("".join(f"{text}\n" for text in self.table(name).texts()), end="")
            case "test", [text]:
                if self.table(name).lookup(parse_cidr(text)) is None:
                    fail("not found")
                print("npfctl: match")
            case "add", [text]:
                self.table(name).insert(parse_cidr(text), self.npf["limit"])
                print("npfctl: success")
            case "rem", [text]:
                self.table(name).remove(parse_cidr(text))
                print("npfctl: success")
            case ("replace", ["-"]):
                self.replace(name, sys.stdin.read().splitlines())
            case (("add" | "rem" | "test" | "list" | "replace"), _):
                usage()
            case _:
                fail(f"invalid command '{verb}'")

    def replace(self, name: str, lines: list[str]) -> None:
        """Make a table anew, all or nothing."""
        if name not in self.tables:
            fail(f"table '{name}' not found in the active configuration")
        nets = [parse_cidr(line) for line in lines if line and not line.startswith("#")]
        if sum(ENTRY_BYTES[bits] for bits, _, _ in nets) >= MAX_DATA_BYTES:
            fail(f"npf_table_replace(<{name}>): Argument list too long")
        fresh = Table({"type": self.tables[name].type, "entries": []})
        for net in nets:
            if fresh.lookup(net) is not None:
                fail(f"npf_table_replace(<{name}>): File exists")
            fresh.insert(net, self.npf["limit"])
        self.tables[name] = fresh

    def table(self, name: str) -> Table:
        """Return a table that must have been loaded."""
        if name not in self.tables:
            fail(INVALID)
        return self.tables[name]

    def show(self) -> None:
        """Print state, tables and rules."""
        print(f"# filtering:\t{'active' if self.npf['active'] else 'inactive'}")
        print(f"# config:\t{'loaded' if self.npf['tables'] or self.npf['rules'] else 'empty'}\n")
        for name, table in self.tables.items():
            print(f"table <{name}> type {table.type}")
        if self.npf["rules"]:
            print("\ngroup default {")
        for rule in self.npf["rules"]:
            print(f"\t{rule} ")
        if self.npf["rules"]:
            print("}\n")


def run_each(tool: Npfctl, arguments: list[str]) -> None:
    """Be xargs."""
    if arguments[:3] != ["-n", "1", "npfctl"]:
        print("xargs: usage", file=sys.stderr)
        sys.exit(1)
    failed = False
    for word in sys.stdin.read().split():
        try:
            tool.run([*arguments[3:], word])
        except SystemExit:
            failed = True
    if failed:
        sys.exit(123)


if __name__ == "__main__":
    state, role, words = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    kept = json.loads(state.read_text())
    kept["log"].append([role, *words])
    npfctl = Npfctl(kept)
    try:
        if role == "xargs":
            run_each(npfctl, words)
        else:
            npfctl.run(words)
    finally:
        kept["tables"] = {
            name: {"type": table.type, "entries": table.texts()} for name, table in npfctl.tables.items()
        }
        state.write_text(json.dumps(kept))
