# SPDX-License-Identifier: ISC
"""
The command line's side of the control socket: find the daemon, ask it, hear it out.

The protocol is that of :mod:`filter_ban.daemon.control`: JSON objects, a line each.
"""

import contextlib
import errno
import json
import os
import pwd
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, Self

from filter_ban import places
from filter_ban.cli.document import Document
from filter_ban.cli.failures import Failure, Unavailable
from filter_ban.config import Config
from filter_ban.text import excerpt

CONNECT_S: Final = 2.0
SILENCE_S: Final = 5.0  # a hung engine is replaced after 2 s, and the new one takes up what waits
MAX_LINE_BYTES: Final = 16 << 20
MAX_MESSAGE: Final = 500
OTHER_VERSION: Final = "is it of another version? Then restart it"
_LATER: Final = "see its log, and try again"


class DaemonClient:
    """A connection to the running daemon; one request at a time."""

    def __init__(self, connection: socket.socket, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._lines: IO[bytes] = connection.makefile("rb")

    @classmethod
    def find(cls, config: Config, *, connect_s: float = CONNECT_S) -> Self:
        """
        Connect to the first daemon that can be reached, at each place within *connect_s*.

        Raises:
            Unavailable: there is none; the message names every place and what is wrong there.

        """
        problems = []
        for folder in control_dirs(config):
            path = folder / places.CONTROL_SOCKET
            try:
                return cls(_connect(path, connect_s), path)
            except OSError as error:
                problems.append((path, error))
        raise _no_daemon(problems)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._connection.close()

    def ask(self, command: str, *, silence_s: float = SILENCE_S, **arguments: object) -> Iterator[Document]:
        """
        Yield the parts of the daemon's answer to one request.

        Args:
            command: One that the daemon knows.
            silence_s: Longest wait for the next part.
            arguments: Of the command.

        Raises:
            Failure: the daemon refuses.
            Unavailable: it does not answer, or not in this protocol.

        """
        self._connection.settimeout(silence_s)
        request = json.dumps({"command": command, **arguments}, separators=(",", ":"))
        with contextlib.suppress(BrokenPipeError):  # a daemon that does not admit us has said so and left
            self._send(request.encode() + b"\n")
        while True:
            part = self._receive()
            if "error" in part:
                raise Failure(excerpt(str(part["error"]), MAX_MESSAGE))
            if "done" in part:
                return
            yield part

    def ask_one(self, command: str, **arguments: Any) -> Document:
        """Return the answer to one request as one document; arguments and errors are those of :meth:`ask`."""
        return {key: value for part in self.ask(command, **arguments) for key, value in part.items()}

    def _send(self, data: bytes) -> None:
        try:
            self._connection.sendall(data)
        except TimeoutError:
            raise self._trouble("does not read") from None

    def _receive(self) -> Document:
        try:
            line = self._lines.readline(MAX_LINE_BYTES)
        except TimeoutError:
            raise self._trouble("gives no answer") from None
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            raise self._trouble("ended before its answer did")
        try:
            part = json.loads(line)
        except (ValueError, RecursionError):
            part = None
        if not isinstance(part, dict):
            raise self._trouble("answered what is no answer", OTHER_VERSION)
        return part

    def _trouble(self, what: str, remedy: str = _LATER) -> Unavailable:
        return Unavailable(f"the daemon at {self._path} {what}; {remedy}", "not answering")


def control_dirs(config: Config) -> list[Path]:
    """
    Return the folders where a daemon of *config* may serve, the likeliest first.

    That is the configured one; or the default, then the private folder of this user, and for root those of the users
    that may have started a daemon of their own. A private folder that is not its user's alone is left out.
    """
    configured = config.daemon.socket_dir
    first, *private = places.socket_dirs(None if configured is None else os.fspath(configured))
    owners = dict.fromkeys(private, os.geteuid())
    if configured is None and os.geteuid() == 0:
        owners = {places.private_dir(uid): uid for uid in _daemon_uids(config)}
    return [Path(first), *(Path(path) for path, uid in owners.items() if places.is_private(path, uid))]


def _daemon_uids(config: Config) -> Iterator[int]:
    for user in (config.daemon.user, *config.daemon.relay_users):
        with contextlib.suppress(KeyError):  # the list names the users of several systems
            yield pwd.getpwnam(user).pw_uid


def _connect(path: Path, timeout_s: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        connection.connect(os.fspath(path))
    except OSError:
        connection.close()
        raise
    return connection


def _no_daemon(problems: list[tuple[Path, OSError]]) -> Unavailable:
    places_tried = " or ".join(f"{path} ({error.strerror or error})" for path, error in problems)
    denied = any(error.errno in (errno.EACCES, errno.EPERM) for _, error in problems)
    remedy, state = (
        ("try again as root", "not reachable")
        if denied
        else ("start it with: filter-ban serve", "not running")
    )
    return Unavailable(f"no daemon answers at {places_tried}; {remedy}", state)
