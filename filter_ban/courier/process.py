# SPDX-License-Identifier: ISC
"""The courier as a child of the engine."""

import socket
import subprocess
import sys


class CourierProcess:
    """
    One run of ``python -m filter_ban.courier``; ``connection`` is the way to speak to it.

    Raises:
        OSError: it cannot be started.

    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "filter_ban.courier", str(theirs.fileno())],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                )
            except OSError:
                ours.close()
                raise
        self.connection = ours

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def end(self) -> None:
        """End it now, by its process id, and reap it."""
        self._process.kill()
        self._process.wait()
