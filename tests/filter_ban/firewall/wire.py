# SPDX-License-Identifier: ISC
"""Two network namespaces, a wire between them: a server on one end and many clients on the other."""

import contextlib
import ctypes
import errno
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

PORT, OTHER_PORT = 2525, 2587
SERVER = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8:ff::1"}
BANNED, FRIEND, MEMBER, COUSIN = "198.51.100.7", "198.51.100.8", "203.0.113.5", "203.0.113.200"
BANNED6, SIBLING6, FRIEND6 = "2001:db8:1:2::7", "2001:db8:1:2:ffff::9", "2001:db8:1:3::7"
CLIENTS = (BANNED, FRIEND, MEMBER, COUSIN, BANNED6, SIBLING6, FRIEND6)
PATIENCE_S = 5.0  # for what must happen
SILENCE_S = 0.4  # for what must not


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Put this thread into a network namespace; sockets that it makes stay there."""
    libc = ctypes.CDLL(None, use_errno=True)
    ours, theirs = Path("/proc/thread-self/ns/net"), Path("/run/netns", namespace)
    with ours.open("rb") as here, theirs.open("rb") as there:
        assert libc.setns(there.fileno(), 0) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(here.fileno(), 0) == 0


def ip(*words: str) -> None:
    """Change addresses, links or namespaces with iproute2."""
    subprocess.run(["ip", *words], check=True, timeout=20, capture_output=True)


class Wire:
    """A server's and the clients' namespace, joined."""

    def __init__(self) -> None:
        self.server, self.clients = (f"fb{os.getpid()}{end}" for end in "sc")

    def lay(self) -> None:
        """Make both ends and their addresses."""
        for namespace in (self.server, self.clients):
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        ip(
            "link",
            "add",
            "wire0",
            "netns",
            self.server,
            "type",
            "veth",
            "peer",
            "wire0",
            "netns",
            self.clients,
        )
        for family, address in SERVER.items():
            self._address(self.server, address, 24 if family == socket.AF_INET else 48)
        for address in CLIENTS:
            self._address(self.clients, address, 128 if ":" in address else 32)
        for namespace in (self.server, self.clients):
            ip("-n", namespace, "link", "set", "wire0", "up")
        ip("-n", self.clients, "route", "add", "192.0.2.0/24", "dev", "wire0")
        ip("-n", self.clients, "-6", "route", "add", "2001:db8:ff::/48", "dev", "wire0")
        for network in ("198.51.100.0/24", "203.0.113.0/24", "2001:db8:1::/48"):
            ip("-n", self.server, "-6" if ":" in network else "-4", "route", "add", network, "dev", "wire0")

    def _address(self, namespace: str, address: str, prefix: int) -> None:
        dad = ["nodad"] if ":" in address else []
        ip("-n", namespace, "address", "add", f"{address}/{prefix}", "dev", "wire0", *dad)

    def cut(self) -> None:
        """Remove both ends."""
        for namespace in (self.server, self.clients):
            subprocess.run(["ip", "netns", "del", namespace], check=False, timeout=20, capture_output=True)

    def listen(self, family: socket.AddressFamily, port: int) -> socket.socket:
        """Return a listening socket of the server."""
        with inside(self.server):
            return socket.create_server((SERVER[family], port), family=family, backlog=64)

    def connect(self, client: str, port: int = PORT, *, patience_s: float = PATIENCE_S) -> socket.socket:
        """Return a connection from *client* to the server."""
        family = socket.AF_INET6 if ":" in client else socket.AF_INET
        with inside(self.clients):
            connection = socket.socket(family)
        try:
            connection.settimeout(patience_s)
            connection.bind((client, 0))
            connection.connect((SERVER[family], port))
        except OSError:
            connection.close()
            raise
        return connection

    def is_open(self, client: str, port: int = PORT) -> bool:
        """Return whether *client* can connect; the answer no takes its time."""
        return not self.is_shut(client, port, patience_s=PATIENCE_S)

    def is_shut(self, client: str, port: int = PORT, *, patience_s: float = SILENCE_S) -> bool:
        """Return whether *client* gets no answer for a while."""
        try:
            self.connect(client, port, patience_s=patience_s).close()
        except TimeoutError:
            return True
        except OSError as error:
            if error.errno == errno.EHOSTUNREACH:  # answers to neighbour discovery are dropped as well
                return True
            raise
        return False


@contextlib.contextmanager
def laid_wire() -> Iterator[Wire]:
    """Lay a wire, whose server listens on both ports and families; cut it in the end."""
    wire = Wire()
    with contextlib.ExitStack() as stack:
        stack.callback(wire.cut)
        wire.lay()
        for family in SERVER:
            for port in (PORT, OTHER_PORT):
                stack.enter_context(wire.listen(family, port))
        yield wire
