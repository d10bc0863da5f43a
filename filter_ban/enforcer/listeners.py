# SPDX-License-Identifier: ISC
"""The listening sockets: opened here, or taken from systemd, and outliving every engine."""

import contextlib
import fcntl
import os
import socket
import stat
from pathlib import Path
from typing import Final

from filter_ban.places import CONTROL_SOCKET, RELAY_SOCKET

_BACKLOG: Final = 128
_MODES: Final = {
    RELAY_SOCKET: 0o666,
    CONTROL_SOCKET: 0o660,
}  # who may speak on relay.sock is decided by the peer's uid
_SYSTEMD_FIRST_FD: Final = 3  # sd_listen_fds(3)


class AlreadyRunning(Exception):  # noqa: N818 - a state of affairs, not an error of ours
    """Another daemon holds the lock of this socket folder."""


def open_lock(folder: Path) -> int:
    """
    Return a descriptor that holds the lock of *folder* for as long as this process lives.

    Raises:
        AlreadyRunning: another process holds it.

    """
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise AlreadyRunning(f"a daemon runs already in {folder}") from None
    return lock


def make_folder(folder: Path, mode: int) -> bool:
    """Create *folder* with *mode*, and its parents, if it is missing; return whether it was."""
    if folder.is_dir():
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir()
    folder.chmod(mode)
    return True


def listen(folder: Path, owner: tuple[int, int] | None) -> dict[str, socket.socket]:
    """
    Return the listening sockets by name, in place of any that a dead daemon left behind.

    Args:
        folder: Where they stand.
        owner: uid and gid that control.sock is given to; None leaves it ours.

    """
    taken = _from_systemd()
    return {name: taken.get(name) or _open(folder / name, _MODES[name], owner) for name in _MODES}


def _open(path: Path, mode: int, owner: tuple[int, int] | None) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(f"{path}: exists and is no socket")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(os.fspath(path))
    path.chmod(mode)
    if owner is not None:
        os.chown(path, *owner)
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


def _from_systemd() -> dict[str, socket.socket]:
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()):
        return {}
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    os.environ.pop("LISTEN_FDS", "")
    found = {}
    for fd, name in enumerate(names, _SYSTEMD_FIRST_FD):
        if name in _MODES:
            found[name] = socket.socket(fileno=fd)
            found[name].setblocking(False)
    return found
