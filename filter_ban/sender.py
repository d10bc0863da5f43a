# SPDX-License-Identifier: ISC
"""Who sent a datagram over a unix socket: the kernel adds it to each, once the receiver has asked for it."""

import socket
import struct
import sys
from collections.abc import Iterable
from typing import Final

import attrs


@attrs.frozen
class _Credentials:
    """How a system is asked for credentials, and the place of the uid in the control message that brings them."""

    level: int
    option: int
    message: int  # its type, at level SOL_SOCKET
    layout: str
    place: int


_SYSTEMS: Final = {
    "linux": _Credentials(socket.SOL_SOCKET, 16, 2, "iII", 1),  # unix(7): SO_PASSCRED, struct ucred
    "freebsd": _Credentials(0, 3, 8, "iiII", 3),  # unix(4): LOCAL_CREDS_PERSISTENT, struct sockcred2
    "netbsd": _Credentials(0, 4, 0x10, "iII", 2),  # unix(4): LOCAL_CREDS, struct sockcred
}
MAX_CREDENTIALS: Final = 28 + 4 * 1024  # bytes; the structures of the BSDs end in the list of groups

ControlMessage = tuple[int, int, bytes]  # level, type, content; as recvmsg returns them


def _credentials(system: str) -> _Credentials | None:
    return next((one for name, one in _SYSTEMS.items() if system.startswith(name)), None)


def ask_for_credentials(sock: socket.socket) -> None:
    """
    Have the kernel add the sender's credentials to every datagram that *sock* receives from now on.

    Raises:
        OSError: this system does not do that.

    """
    system = _credentials(sys.platform)
    if system is None:
        raise OSError(f"{sys.platform} does not tell who sent a datagram")
    sock.setsockopt(system.level, system.option, 1)


def sender_uid(messages: Iterable[ControlMessage], system: str = sys.platform) -> int | None:
    """
    Return the user id in the credentials that came with a datagram; None without them.

    It is the effective one; on Linux the real one, or what a sender that may chose instead.
    """
    known = _credentials(system)
    if known is None:
        return None
    found = [data for level, kind, data in messages if (level, kind) == (socket.SOL_SOCKET, known.message)]
    if len(found) != 1 or len(found[0]) < struct.calcsize(known.layout):
        return None
    return int(struct.unpack_from(known.layout, found[0])[known.place])
