# SPDX-License-Identifier: ISC
"""The socket to the daemon, never waited for. What is said on it is the table's and the loop's affair."""

import os
import socket

from filter_ban import places
from filter_ban.relay.lines import Lines

READ_BYTES = 64 * 1024


class Link:
    """A stream connection to ``relay.sock`` in the first folder where somebody listens, or none yet."""

    def __init__(self, configured_dir: str | None) -> None:
        self._configured_dir = configured_dir
        self._socket: socket.socket | None = None
        self._lines = Lines()

    @property
    def fd(self) -> int:
        """The descriptor to poll, or -1 where there is no connection."""
        return self._socket.fileno() if self._socket else -1

    def connect(self) -> OSError | None:
        """
        Connect to a daemon.

        Returns: None on success; else why not. FileNotFoundError and ConnectionRefusedError mean that none runs.

        """
        uid = os.geteuid()
        fault: OSError = FileNotFoundError()
        for folder in places.socket_dirs(self._configured_dir, uid):
            if folder == places.private_dir(uid) and not places.is_private(folder, uid):
                if os.path.lexists(folder):
                    fault = PermissionError(f"{folder}: others may write to it, so it is not used")
                continue
            stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            stream.setblocking(False)
            path = f"{folder}/{places.RELAY_SOCKET}"
            try:
                stream.connect(path)
            except OSError as error:
                stream.close()
                fault = error
                fault.filename = path
                continue
            self._socket = stream
            self._lines = Lines()
            return None
        return fault

    def read(self) -> list[bytes] | None:
        """Return the lines that have arrived, an over-long one as an empty one; None: the daemon has closed the connection."""
        assert self._socket
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        lines = self._lines.feed(data)
        return [*lines, b""] if self._lines.too_long else lines

    def send(self, unsent: bytearray) -> bool:
        """Send what the socket takes of *unsent* and remove it; return False if the daemon will never read it."""
        assert self._socket
        try:
            del unsent[: self._socket.send(unsent)]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket:
            self._socket.close()
            self._socket = None
