# SPDX-License-Identifier: ISC
"""The installed filter-ban on a machine: configuration, daemon, and the operator's commands."""

import json
import os
import signal
import socket
import subprocess
from types import TracebackType
from typing import Any, Final, Self

from tests.real.installation import COMMAND
from tests.real.machine import Machine
from tests.real.namespaces import children_of
from tests.real.polling import wait_until
from tests.real.server_log import ServerLog

CONFIGURATION_FILE: Final = "/etc/filter-ban.toml"
CONTROL_SOCKET: Final = "/run/filter-ban/control.sock"
LEDGER: Final = "/var/lib/filter-ban/ledger.sqlite3"
RELAY_COMMAND: Final = f"{COMMAND} opensmtpd"  # for smtpd.conf
USER: Final = "_filterban"
TIMEOUT_S: Final = 20.0


class FilterBan:
    """filter-ban on a machine; the daemon runs from start() to stop(), kill() or close()."""

    def __init__(self, machine: Machine, configuration: str = "") -> None:
        """Make the daemon's user and write *configuration*, a TOML text."""
        self._machine = machine
        self._process: subprocess.Popen[bytes] | None = None
        self._log = ServerLog("filter-ban")
        machine.run(["useradd", "--system", "--shell", "/usr/sbin/nologin", USER])
        self.configure(configuration)

    def configure(self, configuration: str) -> None:
        """Write another configuration; what runs keeps its own."""
        self._machine.write(CONFIGURATION_FILE, configuration)

    # --- the daemon

    def start(self) -> Self:
        """
        Start the daemon as root and return when it answers.

        Raises:
            RuntimeError: it ended instead; the text has its log.

        """
        process = self._process = self._machine.popen(
            [COMMAND, "serve"], stdout=self._log.file, stderr=self._log.file
        )
        wait_until(lambda: self.answers() or process.poll() is not None, "the daemon answers", TIMEOUT_S)
        if process.poll() is not None:
            raise RuntimeError(f"the daemon ended with status {process.returncode}:\n{self.log()}")
        return self

    def answers(self) -> bool:
        """Return whether the control socket takes connections."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self._machine.path(CONTROL_SOCKET)))
            except OSError:
                return False
        return True

    @property
    def enforcer_pid(self) -> int:
        """Return the host's pid of the parent process."""
        assert self._process is not None
        return self._process.pid

    def engine_pid(self) -> int:
        """Return the host's pid of the engine, the child that counts; wait for it while it is being replaced."""
        found: list[int] = []

        def find() -> bool:
            processes = self._machine.processes()
            children = children_of(self.enforcer_pid)
            found[:] = [pid for pid in children if "filter_ban.daemon" in processes.get(pid, [])]
            return len(found) == 1

        wait_until(find, "there is one engine", TIMEOUT_S)
        return found[0]

    def stop(self) -> int:
        """Stop the daemon as an admin does, with SIGTERM; return its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(TIMEOUT_S)

    def kill(self) -> None:
        """End the daemon's parent as the kernel does when memory is short, with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(TIMEOUT_S)

    def kill_engine(self) -> None:
        """End the engine with SIGKILL; its parent starts another."""
        os.kill(self.engine_pid(), signal.SIGKILL)

    def log(self) -> str:
        """Return all that the daemon has logged."""
        return self._log.text()

    def close(self) -> None:
        """End the daemon if it runs, and drop its log."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- the operator

    def run(
        self, *arguments: str, stdin: bytes = b"", check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Run ``filter-ban`` with *arguments* as root; *check*: it must succeed."""
        return self._machine.run([COMMAND, *arguments], stdin=stdin, check=check)

    def json(self, *arguments: str, check: bool = True) -> Any:
        """Return the document that a command prints with ``--json``."""
        return json.loads(self.run(*arguments, "--json", check=check).stdout)

    def table(self) -> str:
        """Return our firewall table as nft lists it; empty when there is none."""
        done = self._machine.run(["nft", "list", "table", "inet", "filter_ban"], check=False)
        return done.stdout.decode()
