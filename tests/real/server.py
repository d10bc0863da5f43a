# SPDX-License-Identifier: ISC
"""A server program on a machine: start, log, stop."""

import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.real.machine import Machine
from tests.real.polling import wait_until
from tests.real.server_log import ServerLog

TIMEOUT_S: Final = 20.0


class RealServer:
    """One program that stays in the foreground, logs to its standard output and leaves on SIGTERM."""

    def __init__(self, machine: Machine, argv: Sequence[str], ports: Collection[int]) -> None:
        """Remember how to start it; *ports* are those that it opens, in both families."""
        self.machine = machine
        self._argv = argv
        self._ports = ports
        self._process: subprocess.Popen[bytes] | None = None
        self._log = ServerLog(self.name)

    @property
    def name(self) -> str:
        """Return the name of the program."""
        return Path(self._argv[0]).name

    def start(self) -> Self:
        """
        Start the server and return when its ports are open.

        Raises:
            RuntimeError: it ended instead; the text has its log.

        """
        process = self._process = self.machine.popen(self._argv, stdout=self._log.file, stderr=self._log.file)
        wait_until(
            lambda: self.machine.listens(self._ports) or process.poll() is not None,
            f"{self.name} listens",
            TIMEOUT_S,
        )
        if process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with status {process.returncode}:\n{self.log()}")
        return self

    @property
    def pid(self) -> int:
        """Return the host's pid of the server's first process."""
        assert self._process is not None
        return self._process.pid

    def running(self) -> bool:
        """Return whether the server's first process is there."""
        return self._process is not None and self._process.poll() is None

    def wait(self) -> int:
        """Wait until the server ends by itself; return its exit status."""
        assert self._process is not None
        return self._process.wait(TIMEOUT_S)

    def stop(self) -> None:
        """Stop the server with SIGTERM; its parts leave by themselves."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(TIMEOUT_S)

    def log(self) -> str:
        """Return all that the server has logged."""
        return self._log.text()

    def close(self) -> None:
        """End the server if it runs, at once, and drop its log; what is left of it ends with the machine."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
