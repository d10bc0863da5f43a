# SPDX-License-Identifier: ISC
"""
An ipfw that keeps its packet filter in a JSON file; strict about arguments, with the real tool's messages.

Usage: ``fake_ipfw.py STATE.json ipfw|sysctl arguments...``. The file holds ``switches`` (name: number), ``denied``,
``room`` (entries that the kernel has memory for), ``tables`` (name: ``type``, ``limit``, ``locked`` and ``entries``),
``rules`` (lines as `ipfw list` prints them) and ``log`` (the tool and arguments of each run).

Source: main.c, tables.c and ipfw2.c in sbin/ipfw of FreeBSD; sysexits(3).
"""

import ipaddress
import json
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

EX_USAGE, EX_DATAERR, EX_NOHOST, EX_UNAVAILABLE, EX_OSERR = 64, 65, 68, 69, 71
NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}")
MAX_LINE_BYTES = 4095  # fgets() into 4,096


class Ipfw:
    """One run; a batch is many commands."""

    def __init__(self, ipfw: dict[str, Any]) -> None:
        self.ipfw = ipfw
        self.program = "ipfw"
        self.quiet = False

    def fail(self, status: int, message: str) -> NoReturn:
        """Leave as err(3) and errx(3) do."""
        print(f"{self.program}: {message}", file=sys.stderr)
        sys.exit(status)

    def main(self, arguments: list[str]) -> None:
        """Read a file, or do one command."""
        if arguments and arguments[-1].startswith("/"):
            if arguments != ["-q", "/dev/stdin"]:
                self.fail(EX_USAGE, f"pathname: {arguments[-1]}: No such file or directory")
            self.quiet = True
            for number, line in enumerate(sys.stdin, 1):
                self.program = f"Line {number}"
                if len(line) > MAX_LINE_BYTES:
                    self.fail(EX_USAGE, f"bad command `{line[:10]}'")
                words = line.partition("#")[0].split()
                if words:
                    self.command(words)
            return
        if arguments[:1] == ["-q"]:
            self.quiet = True
            arguments = arguments[1:]
        if not arguments:
            self.fail(EX_USAGE, 'usage: ipfw [options]\ndo "ipfw -h" or "man ipfw" for details')
        self.command(arguments)

    def command(self, words: list[str]) -> None:
        """Do what the words say; each combination that is not listed is an error."""
        if self.ipfw["denied"]:
            self.fail(EX_UNAVAILABLE, "socket: Operation not permitted")
        match words:
            case ["list"]:
                print("".join(f"{rule}\n" for rule in self.ipfw["rules"]), end="")
            case ["table", "all", "info"]:
                self.show_tables()
            case ["table", name, *action]:
                self.on_table(name, action)
            case _:
                self.fail(EX_USAGE, f"bad command `{words[0]}'")

    def on_table(self, name: str, action: list[str]) -> None:
        """Do what the words after a table's name say."""
        if not NAME.fullmatch(name) or name == "all":
            self.fail(EX_USAGE, f"table name {name} is invalid")
        match action:
            case ["create", "type", "addr", "missing"]:
                self.create(name)
            case ["list"]:
                self.show(name)
            case ["add", word]:
                self.add(name, word)
            case ["delete", *words] if words:
                self.delete(name, words)
            case ["add" | "delete"]:
                self.fail(EX_USAGE, "address required")
            case _:
                self.fail(EX_USAGE, "table needs command")

    def show(self, name: str) -> None:
        """Print the entries of a table that must exist."""
        if name not in self.ipfw["tables"]:
            self.fail(EX_OSERR, "failed to request table info: No such process")
        for entry, value in self.ipfw["tables"][name]["entries"].items():
            print(f"{entry} {value}")

    def key(self, word: str) -> str:
        """Return an entry's key as it is printed."""
        address, slash, mask = word.partition("/")
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            self.fail(EX_NOHOST, f"hostname ``{address}'' unknown")
        if parsed.version == 6 and 1 < int(parsed) < 1 << 32:
            self.fail(EX_DATAERR, "Use IPv4 instead of v4-compatible")
        if slash and not (mask.isdigit() and int(mask) <= parsed.max_prefixlen):
            self.fail(EX_DATAERR, f"bad IPv{parsed.version} mask width: {mask}")
        return str(ipaddress.ip_network(word, strict=False))

    def create(self, name: str) -> None:
        """Create a table, or find that it is the same."""
        fresh = {"type": "addr", "limit": 0, "locked": False, "entries": {}}
        table = self.ipfw["tables"].setdefault(name, fresh)
        if table | {"entries": {}} != fresh | {"entries": {}}:
            self.fail(EX_DATAERR, "The existing table is not compatible with one you are creating.")

    def add(self, name: str, word: str) -> None:
        """Add an entry; to a table that is missing too, as ipfw still does."""
        key = self.key(word)
        if name not in self.ipfw["tables"] and not self.quiet:
            print(
                f"{self.program}: DEPRECATED: inserting data into non-existent table {name}.", file=sys.stderr
            )
        self.ipfw["tables"].setdefault(name, {"type": "addr", "limit": 0, "locked": False, "entries": {}})
        table = self.ipfw["tables"][name]
        if table["locked"]:
            self.refuse("error", key, "Adding record failed: table is locked")
        if key in table["entries"]:
            if not self.quiet:
                self.refuse("exists", key, "Adding record failed: record already exists")
        elif table["limit"] and len(table["entries"]) >= table["limit"]:
            self.refuse("limit", key, "Adding record failed: limit hit")
        elif len(table["entries"]) >= self.ipfw["room"]:
            self.refuse("error", key, "Adding record failed: Cannot allocate memory")
        table["entries"][key] = 0
        if not self.quiet:
            print(f"added: {key} 0")

    def delete(self, name: str, words: list[str]) -> None:
        """Delete entries."""
        if name not in self.ipfw["tables"]:
            self.fail(EX_DATAERR, f"Table {name} does not exist")
        table = self.ipfw["tables"][name]
        if table["locked"]:
            self.refuse("error", words[0], "Deleting record failed: table is locked")
        for key in map(self.key, words):
            if table["entries"].pop(key, None) is None and not self.quiet:
                self.refuse("notfound", key, "Deleting record failed: record not found")

    def refuse(self, result: str, key: str, message: str) -> NoReturn:
        """Report an entry's result on standard output and leave."""
        print(f"{result}: {key} 0")
        self.fail(EX_OSERR, message)

    def show_tables(self) -> None:
        """Print what each table is, in the order of the names."""
        for index, (name, table) in enumerate(sorted(self.ipfw["tables"].items()), 1):
            used = sum(f"table({name})" in rule for rule in self.ipfw["rules"])
            print(f"--- table({name}), set(0) ---")
            print(f" kindex: {index}, type: {table['type']}" + (", locked" if table["locked"] else ""))
            print(f" references: {used}, valtype: legacy")
            print(f" algorithm: {table['type']}:radix")
            print(f" items: {len(table['entries'])}, size: 296")
            if table["limit"]:
                print(f" limit: {table['limit']}")


def show_switches(switches: dict[str, int], arguments: list[str]) -> None:
    """Be sysctl, which passes over unknown names when told so."""
    if arguments[:2] != ["-i", "-n"]:
        print("usage: sysctl [-bdehilNnoqTtWx] name ...", file=sys.stderr)
        sys.exit(1)
    for name in arguments[2:]:
        if name in switches:
            print(switches[name])


if __name__ == "__main__":
    state, role, rest = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    kept = json.loads(state.read_text())
    kept["log"].append([role, *rest])
    try:
        if role == "sysctl":
            show_switches(kept["switches"], rest)
        else:
            Ipfw(kept).main(rest)
    finally:
        state.write_text(json.dumps(kept))
