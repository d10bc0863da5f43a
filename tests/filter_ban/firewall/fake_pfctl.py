# SPDX-License-Identifier: ISC
"""
A pfctl that keeps its packet filter in a JSON file; strict about arguments, with the real tool's messages.

Usage: ``fake_pfctl.py STATE.json pfctl arguments...``. The file holds ``enabled``, ``denied``, ``limit`` (entries in
all tables), ``rules`` (tables that a rule refers to), ``tables`` (name: entries), ``counters`` (whether they are kept
for entries), ``blocked`` (packets by entry), ``states`` (client addresses) and ``log`` (the tool and arguments of each
run). A table in an anchor is named ``anchor/table``; an entry that begins with ``!`` is an exception.

Source: pfctl(8) of OpenBSD 7.x and FreeBSD 14, pfctl_table.c.
"""

import getopt
import ipaddress
import json
import sys
from pathlib import Path
from typing import Any, NoReturn

USAGE = "usage: pfctl [-deghNnPqrvz] [-a anchor] [-k host | network] [-s modifier] [-t table -T command [address ...]]"
COMMANDS = ("add", "delete", "replace", "show")


def fail(message: str) -> NoReturn:
    """Print *message* as the tool does and leave."""
    print(message, file=sys.stderr)
    sys.exit(1)


class Pfctl:
    """One run."""

    def __init__(self, pf: dict[str, Any], arguments: list[str]) -> None:
        self.pf = pf
        try:
            pairs, rest = getopt.getopt(arguments, "qva:t:T:f:s:k:")
        except getopt.GetoptError as error:
            fail(f"pfctl: {error}\n{USAGE}")
        self.options = {name.lstrip("-"): value for name, value in pairs}
        if rest or len(self.options) != len(pairs):
            fail(USAGE)
        self.quiet = "q" in self.options
        self.anchor = self.options.get("a", "")

    def run(self) -> None:
        """Do what the options say; each combination that is not listed is an error."""
        if self.pf["denied"]:
            fail("pfctl: /dev/pf: Permission denied")
        match sorted(set(self.options) - {"q", "a"}):
            case ["T", "f", "t"] if self.options["T"] in COMMANDS[:3] and self.options["f"] == "-":
                self.change(self.options["T"], [network(word) for word in sys.stdin.read().split()])
            case ["T", "t"] | ["T", "t", "v"] if self.options["T"] == "show":
                for entry in self.table():
                    self.show_entry(entry)
            case ["s", "v"] if self.options["s"] == "Tables":
                self.show_tables()
            case ["s"] if self.options["s"] == "info":
                status = "Enabled" if self.pf["enabled"] else "Disabled"
                print(f"Status: {status} for 0 days 00:12:34           Debug: err\n\nState Table")
            case ["k"] if not self.anchor:
                self.kill(self.options["k"])
            case _:
                fail(USAGE)

    def name(self) -> str:
        """Return the table's name, with its anchor."""
        name = self.options["t"]
        if len(name) > 31:
            fail(USAGE)
        return f"{self.anchor}/{name}" if self.anchor else name

    def table(self) -> list[str]:
        """Return the entries of a table that must exist."""
        try:
            return self.pf["tables"][self.name()]  # type: ignore[no-any-return]
        except KeyError:
            fail("pfctl: Table does not exist.")

    def change(self, verb: str, entries: list[str]) -> None:
        """Add, delete or replace."""
        if verb != "delete":
            self.pf["tables"].setdefault(self.name(), [])
        before = self.table()
        kept = [] if verb == "replace" else before
        if verb == "delete":
            named = set(entries)
            after = [entry for entry in before if entry not in named]
        else:
            after = list(dict.fromkeys([*kept, *entries]))
        others = sum(len(table) for name, table in self.pf["tables"].items() if name != self.name())
        if others + len(after) > self.pf["limit"]:
            fail("pfctl: Cannot allocate memory.")
        self.pf["tables"][self.name()] = after
        changed = len(set(before) ^ set(after))
        self.say(f"{changed}/{len(entries)} addresses {'deleted' if verb == 'delete' else 'added'}.")

    def show_entry(self, entry: str) -> None:
        """Print an entry, with -v when it was made and, if they are kept, its counters."""
        print(f"  {entry}" if entry.startswith("!") else f"   {entry}")
        if "v" not in self.options:
            return
        print("\tCleared:     Tue Nov 14 22:13:20 2023")
        if self.pf["counters"]:
            for name in ("In/Block:", "In/Pass:", "Out/Block:", "Out/Pass:"):
                packets = self.pf["blocked"].get(entry, 0) if name == "In/Block:" else 0
                print(f"\t{name:<12} [ Packets: {packets:<18} Bytes: {packets * 60:<18} ]")

    def show_tables(self) -> None:
        """Print flags and names of the tables of this anchor."""
        for name in self.pf["tables"]:
            anchor, _, table = name.rpartition("/")
            if anchor == self.anchor:
                used = "r" if name in self.pf["rules"] else "-"
                counted = "C" if self.pf["counters"] else "-"
                print(f"-pa-{used}-{counted}\t{table}" + (f"\t{anchor}" if anchor else ""))

    def kill(self, client: str) -> None:
        """Forget the states that originate from *client*."""
        source = ipaddress.ip_network(network(client))
        kept = [state for state in self.pf["states"] if ipaddress.ip_address(state) not in source]
        self.say(f"killed {len(self.pf['states']) - len(kept)} states from 1 sources and 0 destinations")
        self.pf["states"] = kept

    def say(self, message: str) -> None:
        """Print a message that -q silences."""
        if not self.quiet:
            print(message, file=sys.stderr)


def network(word: str) -> str:
    """Return an address or prefix; the real tool would ask the resolver about anything else."""
    try:
        parsed = ipaddress.ip_network(word)
    except ValueError:
        fail(f"no IP address found for {word}")
    return str(parsed.network_address) if parsed.num_addresses == 1 else str(parsed)


if __name__ == "__main__":
    state = Path(sys.argv[1])
    filter_state = json.loads(state.read_text())
    filter_state["log"].append(sys.argv[2:])
    try:
        Pfctl(filter_state, sys.argv[3:]).run()
    finally:
        state.write_text(json.dumps(filter_state))
