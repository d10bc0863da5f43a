# SPDX-License-Identifier: ISC
"""
A BSD's route and netstat that keep their table in a JSON file; strict about arguments, with the real tools' messages.

Usage: ``fake_route.py STATE.json TOOL arguments...``. The file holds ``system`` (openbsd, freebsd or netbsd), ``denied``,
``routes`` (destination: gateway and flags) and ``log`` (the tool and arguments of each run).

Source: route(8), route.c; netstat(1), route.c and show.c of OpenBSD, FreeBSD and NetBSD.
"""

import ipaddress
import json
import sys
from pathlib import Path
from typing import Any, NoReturn

EXISTS = {"freebsd": "route already in table", "openbsd": "File exists", "netbsd": "File exists"}
COLUMNS = {
    "openbsd": "Destination        Gateway            Flags   Refs      Use   Mtu  Prio Iface",
    "freebsd": "Destination        Gateway            Flags         Netif Expire",
    "netbsd": "Destination        Gateway            Flags    Refs      Use    Mtu Interface",
}
REST = {"openbsd": "0        0 32768     8 lo0", "freebsd": "lo0", "netbsd": "-        -      -  lo0"}


def fail(message: str) -> NoReturn:
    """Print *message* as the tool does and leave."""
    print(message, file=sys.stderr)
    sys.exit(1)


def route(table: dict[str, Any], arguments: list[str]) -> None:
    """Add or delete one route."""
    match arguments:
        case ["-n", ("add" | "delete") as verb, "-inet", target, gateway, kind, "-proto2"]:
            destination = ipaddress.ip_network(target)
        case [
            "-n",
            ("add" | "delete") as verb,
            "-inet6",
            address,
            "-prefixlen",
            prefix,
            gateway,
            kind,
            "-proto2",
        ]:
            target, destination = address, ipaddress.ip_network(f"{address}/{prefix}")
        case _:
            fail("usage: route [-dnqtv] command [[modifiers] args]")
    if gateway != ("127.0.0.1" if destination.version == 4 else "::1"):
        fail(f"route: {gateway}: bad address")
    letter = {"-blackhole": "B", "-reject": "R"}[kind]
    if table["denied"]:
        fail("route: must be root to alter routing table: Operation not permitted")
    name = str(destination)
    there = table["routes"].get(name)
    problem = ""
    if verb == "add" and there:
        problem = EXISTS[table["system"]]
    elif verb == "add":
        table["routes"][name] = [gateway, f"UGS{letter}2"]
    elif not there or (there[0] != gateway and table["system"] != "netbsd"):
        problem = "not in table"
    else:
        del table["routes"][name]
    kind = (
        "host" if destination.prefixlen == destination.max_prefixlen and destination.version == 6 else "net"
    )
    fib = " fib 0" if problem and table["system"] == "freebsd" else ""
    print(f"{verb} {kind} {target}: gateway {gateway}{fib}" + (f": {problem}" if problem else ""))
    sys.exit(bool(problem))


def netstat(table: dict[str, Any], arguments: list[str]) -> None:
    """Print the routes of one family."""
    system = table["system"]
    match arguments:
        case [("-rn" | "-rnW") as shown, "-f", ("inet" | "inet6") as family]:
            if (shown == "-rnW") != (system == "freebsd"):
                fail("netstat: addresses would be cut, or unknown option -- W")
        case _:
            fail("usage: netstat [-AaBLnW] [-f protocol_family]")
    print(f"Routing tables\n\n{'Internet' if family == 'inet' else 'Internet6'}:\n{COLUMNS[system]}")
    for name, (gateway, flags) in table["routes"].items():
        if (":" in name) == (family == "inet6"):
            print(f"{printed(name, system):<18} {gateway:<18} {flags:<8} {REST[system]}")


def printed(name: str, system: str) -> str:
    """Return a destination as netstat writes it: hosts without a length, networks of some without their zeros."""
    address, _, prefix = name.partition("/")
    if int(prefix) == (128 if ":" in address else 32):
        return address
    if ":" in address or system == "freebsd":
        return name
    octets = address.split(".")[: max(1, -(-int(prefix) // 8))]
    return f"{'.'.join(octets)}/{prefix}"


if __name__ == "__main__":
    state = Path(sys.argv[1])
    routing_table = json.loads(state.read_text())
    routing_table["log"].append(sys.argv[2:])
    try:
        {"route": route, "netstat": netstat}[sys.argv[2]](routing_table, sys.argv[3:])
    finally:
        state.write_text(json.dumps(routing_table))
