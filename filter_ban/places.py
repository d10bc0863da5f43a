# SPDX-License-Identifier: ISC
"""
Where the sockets lie: the one rule that relay, daemon and command line share.

Imported by the relay, so it must import nothing but os, stat and sys.
"""

import os
import stat
import sys

RELAY_SOCKET = "relay.sock"
CONTROL_SOCKET = "control.sock"


def default_socket_dir() -> str:
    """Return the folder of the sockets where nothing is configured and the daemon may write to it."""
    return "/run/filter-ban" if sys.platform == "linux" else "/var/run/filter-ban"


def private_dir(uid: int) -> str:
    """Return the folder of a daemon that runs as *uid* and may not write to the default one."""
    return f"/var/tmp/filter-ban-{uid}"  # noqa: S108 - fixed on purpose: used only if is_private() holds


def is_private(path: str, uid: int) -> bool:
    """Return whether *path* is a real folder of *uid* that nobody else can write to."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    writable_by_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == uid and not writable_by_others


def socket_dirs(configured: str | None, uid: int | None = None) -> list[str]:
    """
    Return the folders that may hold the sockets, the first choice first.

    A daemon serves in the last of them; who looks for a daemon tries all in order. A private folder counts only if
    :func:`is_private` holds for it.

    Args:
        configured: ``daemon.socket_dir``; None or empty if it is not set.
        uid: User that asks; None: the effective user of this process.

    """
    if configured:
        return [configured]
    uid = os.geteuid() if uid is None else uid
    default = default_socket_dir()
    usable = os.access(default, os.W_OK | os.X_OK) or os.path.lexists(os.path.join(default, RELAY_SOCKET))  # noqa: PTH118 - pathlib costs the relay 1 MB
    return [default] if uid == 0 or usable else [default, private_dir(uid)]
