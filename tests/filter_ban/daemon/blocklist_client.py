# SPDX-License-Identifier: ISC
"""What libblocklist does, for tests: one datagram with a descriptor, and no answer."""

import contextlib
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

FAILURE, SUCCESS, ABUSE, BAD_USER = 1, 2, 3, 4


def sockaddr(address: str, port: int = 40000) -> bytes:
    """Return a socket address as Linux writes it; empty for an empty *address*."""
    if not address:
        return b""
    if ":" in address:
        packed = socket.inet_pton(socket.AF_INET6, address)
        return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0) + packed + bytes(4)
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(address) + bytes(8)


def message(event: int, address: bytes = b"", text: bytes = b"test", version: int = 1) -> bytes:
    """Return a datagram about the client at the socket address *address*."""
    head = struct.pack("=IIII", 144 + len(text), version, event, len(address))
    return head + address.ljust(128, b"\0") + text


def send(path: str | Path, datagram: bytes, *descriptors: int) -> None:
    """Send a datagram with descriptors; wait for room, which the library does not."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.settimeout(20)
        client.connect(str(path))
        socket.send_fds(client, [datagram], list(descriptors))


@contextlib.contextmanager
def connection(family: socket.AddressFamily = socket.AF_INET) -> Iterator[tuple[socket.socket, str, int]]:
    """Provide a server's end of a TCP connection on loopback, the client's address and the server's port."""
    host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    with (
        socket.create_server((host, 0), family=family) as listener,
        socket.create_connection(listener.getsockname()[:2]),
    ):
        accepted, peer = listener.accept()
        with accepted:
            yield accepted, peer[0], listener.getsockname()[1]


@contextlib.contextmanager
def bound(
    kind: socket.SocketKind = socket.SOCK_STREAM, family: socket.AddressFamily = socket.AF_INET
) -> Iterator[tuple[socket.socket, int]]:
    """Provide a socket that is not connected, and its port."""
    with socket.socket(family, kind) as sock:
        sock.bind(("", 0))
        yield sock, sock.getsockname()[1]
