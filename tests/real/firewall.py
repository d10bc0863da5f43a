# SPDX-License-Identifier: ISC
"""A machine behind a firewall: a server that echoes, who comes through to it, and whose connection is dead."""

import socket
from typing import Final

import pytest

from tests.real.machine import Machine
from tests.real.network import SMTP, SUBMISSION, ClientNetwork
from tests.real.server import RealServer

BANNED: Final = ("10.99.1.7", "fd00:99:0:1::/64", "10.99.2.0/24")  # as told to filter-ban
BANNED_CLIENTS: Final = ("10.99.1.7", "fd00:99:0:1:a::9", "10.99.2.200")  # one of each
FRIENDS: Final = ("10.99.1.8", "fd00:99:0:2::7", "10.99.3.200")
PORTS: Final = (SMTP, SUBMISSION)
OTHER_PORT: Final = 2200
PATIENCE_S: Final = 10.0  # for what must happen
SILENCE_S: Final = 0.5  # for what must not

_PROGRAM: Final = f"""\
import asyncio


async def echo(reader, writer):
    while data := await reader.read(1000):
        writer.write(data)


async def main():
    for port in {(*PORTS, OTHER_PORT)}:
        for address in ("0.0.0.0", "::"):
            await asyncio.start_server(echo, address, port)
    await asyncio.Event().wait()


asyncio.run(main())
"""
_PATH: Final = "/usr/local/libexec/echo"


def echo_server(machine: Machine) -> RealServer:
    """Return a server on PORTS and OTHER_PORT, in both families; it is not started yet."""
    machine.write(_PATH, _PROGRAM)
    return RealServer(machine, ["python3", _PATH], (*PORTS, OTHER_PORT))


def answers(connection: socket.socket, timeout_s: float = PATIENCE_S) -> bool:
    """Return whether the server echoes what is sent."""
    connection.settimeout(timeout_s)
    try:
        connection.sendall(b"x")
        return connection.recv(10) != b""
    except OSError:
        return False


def comes_through(
    network: ClientNetwork, client: str, port: int = SUBMISSION, *, banned: bool = False
) -> bool:
    """Return whether *client* gets a connection and an answer; for one that is *banned* the wait is short."""
    try:
        with network.connect(client, port, SILENCE_S if banned else PATIENCE_S) as connection:
            return answers(connection)
    except OSError:
        return False


def who_comes_through(network: ClientNetwork, port: int = SUBMISSION, *, banned: bool = True) -> list[str]:
    """Return which of BANNED_CLIENTS and FRIENDS come through; the former should not, unless *banned* is false."""
    return [
        *(client for client in BANNED_CLIENTS if comes_through(network, client, port, banned=banned)),
        *(client for client in FRIENDS if comes_through(network, client, port)),
    ]


def saved_rules(machine: Machine) -> str:
    """Return all rules as iptables-save prints them, without counters and times."""
    lines = [
        line.partition(" [")[0] if line.startswith(":") else line
        for command in ("iptables-save", "ip6tables-save")
        for line in machine.run([command]).stdout.decode().splitlines()
        if not line.startswith("#")
    ]
    return "".join(f"{line}\n" for line in lines)


def forget_everything(machine: Machine) -> None:
    """Leave the kernel as it is after a start of the machine: no rules, no sets."""
    machine.run(["nft", "flush", "ruleset"])
    machine.run(["ipset", "destroy"])


def use_legacy_iptables(machine: Machine) -> None:
    """Choose the iptables that speaks the kernel's older interface; skip the test where the kernel has none."""
    for name in ("iptables", "ip6tables"):
        if machine.run([f"{name}-legacy", "-L"], check=False).returncode:
            pytest.skip(f"this kernel knows no {name}-legacy")
        machine.run(["update-alternatives", "--set", name, f"/usr/sbin/{name}-legacy"])
