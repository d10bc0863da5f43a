# SPDX-License-Identifier: ISC
"""Who sent a datagram: what each system's kernel adds, and what is not that."""

import os
import socket
import struct

import pytest

from filter_ban.sender import MAX_CREDENTIALS, ask_for_credentials, sender_uid

LEVEL = socket.SOL_SOCKET
LINUX = struct.pack("iII", 4711, 1000, 100)
FREEBSD = struct.pack("iiIIIIiII", 0, 4711, 1000, 1001, 100, 101, 2, 7, 8)
NETBSD = struct.pack("iIIIIiI", 4711, 1000, 1001, 100, 101, 1, 7)


@pytest.mark.parametrize(
    ("system", "messages", "uid"),
    [
        ("linux", [(LEVEL, 2, LINUX)], 1000),
        ("linux", [(LEVEL, 1, b"\0\0\0\0"), (LEVEL, 2, LINUX)], 1000),
        ("linux", [], None),
        ("linux", [(LEVEL, 2, LINUX[:11])], None),
        ("linux", [(LEVEL, 2, LINUX), (LEVEL, 2, LINUX)], None),
        ("linux", [(0, 2, LINUX)], None),
        ("linux", [(LEVEL, 8, FREEBSD)], None),
        ("freebsd14", [(LEVEL, 8, FREEBSD)], 1001),
        ("freebsd14", [(LEVEL, 8, FREEBSD[:15])], None),
        ("netbsd10", [(LEVEL, 0x10, NETBSD)], 1001),
        ("openbsd7", [(LEVEL, 2, LINUX)], None),
    ],
)
def test_sender_uid(system: str, messages: list[tuple[int, int, bytes]], uid: int | None) -> None:
    """Found in the structure of each system, if it is there whole and once."""
    assert sender_uid(messages, system) == uid


def test_the_kernel_tells() -> None:
    """A datagram brings its sender's uid, though the sender did nothing for it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ask_for_credentials(ours)
        theirs.send(b"x")
        _, messages, _, _ = ours.recvmsg(1, MAX_CREDENTIALS)

    assert sender_uid(messages) == os.getuid()


def test_where_nobody_tells_there_is_no_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is an error and no silent consent."""
    monkeypatch.setattr("sys.platform", "openbsd7")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, pytest.raises(OSError, match="openbsd7"):
        ask_for_credentials(sock)
