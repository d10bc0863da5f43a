# SPDX-License-Identifier: ISC
"""A module of ours as a child of the engine, which must not wait for it."""

import socket
import subprocess
import sys


class ChildProcess:
    """
    One run of ``python -m MODULE``, with its end of ``connection`` as the argument.

    asyncio's own subprocesses will not do: they are killed when the loop ends, and what they run would go on without
    anybody to end it in time.

    Raises:
        OSError: it cannot be started.

    """

    def __init__(self, module: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", module, str(theirs.fileno())],
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
