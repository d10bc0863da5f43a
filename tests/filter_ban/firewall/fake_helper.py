# SPDX-License-Identifier: ISC
"""
A blocklistd-helper that keeps its packet filter in a JSON file; strict about arguments, prints what the real one does.

Usage: ``fake_helper.py STATE.json add|rem|flush RULE ...``. The file holds ``filter`` (npf, pf, ipfw or iptables: they
differ in what they print, and in what they forgive), ``entries`` (lists of where, network, id), ``next_id``, ``broken``
(it prints nothing and leaves with 1) and ``log`` (the arguments of each run).

Source: libexec/blocklistd-helper of NetBSD and FreeBSD, npfctl(8), ipfw(8).
"""

import ipaddress
import json
import sys
from pathlib import Path
from typing import Any, NoReturn


def leave(status: int, message: str = "") -> NoReturn:
    """Leave with *status*, and *message* for the operator."""
    if message:
        print(message, file=sys.stderr)
    sys.exit(status)


class Npf:
    """Dynamic rules with ids of the kernel's; adding twice makes two. Only ``add`` prints."""

    needs_port = False

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state
        self.entries: list[list[str]] = state["entries"]

    def place(self, rule: str, port: str) -> str:
        """Return where an entry stands."""
        return f"{rule} port {port}" if port else rule

    def add(self, place: str, network: str) -> None:
        """Block."""
        self.state["next_id"] += 1
        self.entries.append([place, network, f"{self.state['next_id']:x}"])
        print(f"OK {self.state['next_id']:x}")

    def rem(self, place: str, network: str, entry_id: str) -> None:
        """Release by id."""
        found = [entry for entry in self.entries if entry == [place, network, entry_id]]
        if not found:
            leave(1, f"npfctl: npf_ruleset_remove: no rule {entry_id}")
        self.entries.remove(found[0])

    def flush(self, rule: str) -> None:
        """Release all."""
        self.entries[:] = [entry for entry in self.entries if entry[0].split()[0] != rule]


class Pf(Npf):
    """A table in an anchor for each port."""

    needs_port = True

    def add(self, place: str, network: str) -> None:
        """Block; what is there stays."""
        if [place, network, ""] not in self.entries:
            self.entries.append([place, network, ""])
        print("OK")

    def rem(self, place: str, network: str, _entry_id: str) -> None:
        """Release; what is not there is no error."""
        self.entries[:] = [entry for entry in self.entries if entry != [place, network, ""]]
        print("OK")

    def flush(self, rule: str) -> None:
        """Release all."""
        super().flush(rule)
        print("OK")


class Ipfw(Pf):
    """A table for each port, whatever the rule's name; ``flush`` has no port, and so no effect."""

    def place(self, _rule: str, port: str) -> str:
        """Return where an entry stands."""
        return f"port{port}"

    def rem(self, place: str, network: str, entry_id: str) -> None:
        """Release."""
        if [place, network, ""] not in self.entries:
            leave(1)
        super().rem(place, network, entry_id)

    def flush(self, _rule: str) -> None:
        """Fail to find the table "port"."""
        leave(1)


class Iptables(Npf):
    """Rules of IPv4 in a chain; adding twice makes two. It says OK whatever happens."""

    def add(self, place: str, network: str) -> None:
        """Append a rule."""
        if ":" not in network and " port " in place:
            self.entries.append([place, network, ""])
        print("OK")

    def rem(self, place: str, network: str, _entry_id: str) -> None:
        """Delete one such rule."""
        if [place, network, ""] in self.entries:
            self.entries.remove([place, network, ""])
        print("OK")

    def flush(self, rule: str) -> None:
        """Release all."""
        super().flush(rule)
        print("OK")


FILTERS = {"npf": Npf, "pf": Pf, "ipfw": Ipfw, "iptables": Iptables}


def run(state: dict[str, Any], arguments: list[str]) -> None:
    """Do what the arguments say; any that blocklistd would not give are an error."""
    if state["broken"]:
        leave(1, "npfctl: cannot open /dev/npf: Device busy")
    packet_filter = FILTERS[state["filter"]](state)
    match arguments:
        case ["flush", rule]:
            packet_filter.flush(rule)
        case ["add" | "rem" as verb, rule, "tcp" | "" as protocol, address, mask, port, entry_id]:
            network = ipaddress.ip_network(f"{address}/{mask}")
            if str(network.network_address) != address or bool(port) != bool(protocol):
                leave(64, f"impossible: {arguments}")
            if packet_filter.needs_port and not port:
                leave(2, 'arithmetic expression: expecting primary: "2000 + "')
            place = packet_filter.place(rule, port)
            if verb == "add" and not entry_id:
                packet_filter.add(place, str(network))
            elif verb == "rem" and entry_id:
                packet_filter.rem(place, str(network), entry_id)
            else:
                leave(64, f"impossible: {arguments}")
        case _:
            leave(64, f"impossible: {arguments}")


if __name__ == "__main__":
    file = Path(sys.argv[1])
    kept = json.loads(file.read_text())
    kept["log"].append(sys.argv[2:])
    try:
        run(kept, sys.argv[2:])
    finally:
        file.write_text(json.dumps(kept))
