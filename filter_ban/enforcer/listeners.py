# SPDX-License-Identifier: ISC
"""The listening sockets: opened here, or taken from systemd, and outliving every engine."""

import contextlib
import fcntl
import logging
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from filter_ban.config import Config
from filter_ban.config.values import Endpoint
from filter_ban.logline import fact
from filter_ban.places import CONTROL_SOCKET, RELAY_SOCKET
from filter_ban.sender import ask_for_credentials

_log = logging.getLogger(__name__)
POSTFIX: Final = "postfix"
DOVECOT: Final = "dovecot"
DECOY: Final = "decoy"
BLOCKLISTD: Final = "blocklistd"
METRICS: Final = "metrics"
_BACKLOG: Final = 1024  # what connects while an engine is replaced waits here; the system may allow less
_FOR_ALL: Final = 0o666  # who may speak on relay.sock, or report on blocklistd's, is decided by the uid
_FOR_OWNER: Final = 0o660
_LEAVING_S: Final = 2.0
_LOOK_AGAIN_S: Final = 0.05
_SYSTEMD: Final = "systemd"
_SYSTEMD_FIRST_FD: Final = 3  # sd_listen_fds(3)


class AlreadyRunning(Exception):  # noqa: N818 - a state of affairs, not an error of ours
    """Another daemon holds the lock of this socket folder."""


@attrs.frozen
class Listener:
    """One place that is listened on for a service, or that could not be opened, and why."""

    service: str
    endpoint: str
    sock: socket.socket | None = None
    problem: str = ""


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


def listen(config: Config, folder: Path, owner: tuple[int, int] | None) -> list[Listener]:
    """
    Return what is listened on, in place of any unix socket that a dead daemon left behind.

    A service that systemd hands over sockets for, by its name, is opened there and nowhere else. Relay and operator
    must have theirs; an endpoint of another server that cannot be opened is logged and left out: the rest goes on.

    Args:
        config: Names the endpoints of the other servers.
        folder: Where relay.sock and control.sock stand.
        owner: uid and gid that unix sockets are given to; None leaves them ours.

    Raises:
        OSError: relay.sock or control.sock cannot be opened.

    """
    given = list(_from_systemd())
    taken = {listener.service for listener in given}
    listeners = [
        Listener(name, os.fspath(folder / name), _open_unix(folder / name, mode, owner))
        for name, mode in ((RELAY_SOCKET, _FOR_ALL), (CONTROL_SOCKET, _FOR_OWNER))
        if name not in taken
    ]
    configured = {
        POSTFIX: config.postfix.listen,
        DOVECOT: config.dovecot.listen,
        DECOY: config.decoy.listen,
        METRICS: config.metrics.listen,
    }
    for service, endpoints in configured.items():
        if service not in taken:
            listeners += [_open_endpoint(service, endpoint, owner) for endpoint in endpoints]
    if config.blocklistd.socket is not None and BLOCKLISTD not in taken:
        listeners.append(_open_blocklistd(config.blocklistd.socket, owner))
    return given + listeners


def _open_endpoint(service: str, endpoint: Endpoint, owner: tuple[int, int] | None) -> Listener:
    try:
        if endpoint.path:
            opened = _open_unix(Path(endpoint.path), _FOR_ALL, owner)
        else:
            opened = _open_tcp(endpoint.host, endpoint.port)
    except OSError as error:
        return _unopened(service, str(endpoint), error)
    return Listener(service, str(endpoint), opened)


def _open_blocklistd(path: Path, owner: tuple[int, int] | None) -> Listener:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        _leave_to_other(path)
        _prepare_datagrams(sock)
        _bind_unix(sock, path, _FOR_ALL, owner)
    except OSError as error:
        sock.close()
        return _unopened(BLOCKLISTD, os.fspath(path), error)
    return Listener(BLOCKLISTD, os.fspath(path), sock)


def _take_blocklistd(sock: socket.socket) -> Listener:
    try:
        _prepare_datagrams(sock)
    except OSError as error:
        sock.close()
        return _unopened(BLOCKLISTD, _SYSTEMD, error)
    return Listener(BLOCKLISTD, _SYSTEMD, sock)


def _leave_to_other(path: Path) -> None:
    """Raise OSError if another program serves this socket, and goes on with it: our last engine may yet be leaving."""
    deadline_s = time.monotonic() + _LEAVING_S
    while _is_served(path):
        if time.monotonic() >= deadline_s:
            raise FileExistsError(f"{path}: another daemon serves it")
        time.sleep(_LOOK_AGAIN_S)


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        try:
            client.connect(os.fspath(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


def _prepare_datagrams(sock: socket.socket) -> None:
    if (sock.family, sock.type) != (socket.AF_UNIX, socket.SOCK_DGRAM):
        raise OSError("must be a unix socket for datagrams")
    ask_for_credentials(sock)
    sock.setblocking(False)


def _unopened(service: str, endpoint: str, error: OSError) -> Listener:
    _log.error(fact("cannot-listen", service=service, endpoint=endpoint, why=error))
    return Listener(service, endpoint, problem=str(error))


def _open_tcp(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _open_unix(path: Path, mode: int, owner: tuple[int, int] | None) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _bind_unix(listener, path, mode, owner)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _bind_unix(sock: socket.socket, path: Path, mode: int, owner: tuple[int, int] | None) -> None:
    """Bind *sock* in place of a socket that stands there."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(f"{path}: exists and is no socket")
        path.unlink()
    sock.bind(os.fspath(path))
    path.chmod(mode)
    if owner is not None:
        os.chown(path, *owner)


def _from_systemd() -> Iterator[Listener]:
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()):
        return
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    os.environ.pop("LISTEN_FDS", "")
    for fd, name in enumerate(names, _SYSTEMD_FIRST_FD):
        if name == BLOCKLISTD:
            yield _take_blocklistd(socket.socket(fileno=fd))
        elif name in (RELAY_SOCKET, CONTROL_SOCKET, POSTFIX, DOVECOT, DECOY, METRICS):
            listener = socket.socket(fileno=fd)
            listener.setblocking(False)
            yield Listener(name, _SYSTEMD, listener)
