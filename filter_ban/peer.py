# SPDX-License-Identifier: ISC
"""Who is at the other end of a unix socket, as the kernel tells."""

import socket
import struct
import sys
from typing import Final

# platform -> level, option, layout of the kernel's structure and the place of the effective uid in it
_PEER: Final = {
    "linux": (socket.SOL_SOCKET, 17, "iII", 1),  # unix(7): SO_PEERCRED, struct ucred
    "openbsd": (socket.SOL_SOCKET, 0x1022, "IIi", 0),  # getsockopt(2): SO_PEERCRED, struct sockpeercred
    "freebsd": (0, 1, "II", 1),  # unix(4): LOCAL_PEERCRED, head of struct xucred
    "netbsd": (0, 3, "iII", 1),  # unix(4): LOCAL_PEEREID, struct unpcbid
}


def peer_uid(connection: socket.socket) -> int | None:
    """Return the user id of the process that connected, or None where the system cannot tell."""
    system = next((name for name in _PEER if sys.platform.startswith(name)), None)
    if system is None:
        return None
    level, option, layout, place = _PEER[system]
    try:
        answer = connection.getsockopt(level, option, 256)
        return int(struct.unpack_from(layout, answer)[place])
    except (OSError, struct.error):
        return None
