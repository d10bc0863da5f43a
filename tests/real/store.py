# SPDX-License-Identifier: ISC
"""
Real Valkey and Redis servers, as Debian packages them, each in a network namespace.

Debian's redis-tools and valkey-tools hold the server: under the name of their check program. The packages that are named
after the server would start a service.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import attrs
import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.real.debian_root import VALKEY, RootUnavailableError
from tests.real.namespaces import NetworkNamespace
from tests.real.polling import wait_until

PORT: Final = 6379
PATIENCE_S: Final = 20.0
_IN_MEMORY: Final = {"save": '""', "appendonly": "no"}


@attrs.frozen
class StoreProgram:
    """How a server is started: what comes before its options."""

    name: str
    argv: tuple[str, ...]
    executable: Path

    def __str__(self) -> str:
        return self.name


def find_redis() -> StoreProgram:
    """
    Return the machine's own Redis.

    Raises:
        RootUnavailableError: there is none.

    """
    check = shutil.which("redis-check-rdb")
    if check is None:
        raise RootUnavailableError("the Debian package redis-tools is missing: apt-get install redis-tools")
    return StoreProgram("redis", ("redis-server",), Path(check))


def find_valkey() -> StoreProgram:
    """
    Return a newer Debian's Valkey, run with its own libraries.

    Raises:
        RootUnavailableError: its root folder is missing and cannot be made here.

    """
    root = VALKEY.prepare()
    (loader,) = root.glob("usr/lib/*/ld-linux-*.so.*")
    argv = (str(loader), "--library-path", str(loader.parent), "--argv0", "valkey-server")
    return StoreProgram("valkey", (*argv, str(root / "usr/bin/valkey-check-rdb")), loader)


_NEEDED: Final = {"ip": "iproute2", "nft": "nftables", "unshare": "util-linux"}
_MISSING: Final = [package for program, package in _NEEDED.items() if not shutil.which(program)]
REASON: Final = (
    "namespaces need root" if os.geteuid() else f"Debian packages are missing: {_MISSING}" if _MISSING else ""
)  # why there can be no farm here

PROGRAMS: Final[dict[str, Callable[[], StoreProgram]]] = {"redis": find_redis, "valkey": find_valkey}


def require(name: str) -> StoreProgram:
    """Return the program of that name; skip the test where it is missing."""
    try:
        return PROGRAMS[name]()
    except RootUnavailableError as error:
        pytest.skip(f"no {name}: {error}")


class Store:
    """
    A server that forgets everything when it ends; it runs from start() to kill().

    Tests talk to it over a unix socket, which no fault of the network reaches.

    Args:
        program: What to run.
        folder: Where it may write; made here.
        network: Where it listens, on all addresses.
        port: Its port.
        options: Of its configuration, by name.
        mode: ``--sentinel``, or nothing.
        login: User and password of those who run it, where its default user may not do everything.

    """

    def __init__(
        self,
        program: StoreProgram,
        folder: Path,
        network: NetworkNamespace,
        *,
        port: int = PORT,
        options: dict[str, str] | None = None,
        mode: Sequence[str] = (),
        login: tuple[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True)
        self.port = port
        self.path = folder / "sock"
        self._program = program
        self._network = network
        self._log = folder / "log"
        self._configuration = folder / "conf"
        self._mode = mode
        self._login = login
        self._process: subprocess.Popen[bytes] | None = None
        known = {"dir": str(folder), "unixsocket": str(self.path), "port": str(port), "protected-mode": "no"}
        settings = {**known, **({} if mode else _IN_MEMORY), **(options or {})}
        lines = (f"{name} {value}\n" for name, value in settings.items())
        self._configuration.write_text("".join(lines))

    # --- its life

    def start(self) -> Self:
        """
        Start it and return when it answers.

        Raises:
            RuntimeError: it ended instead; the text has its log.

        """
        with self._network.entered(), self._log.open("ab") as log:
            process = self._process = subprocess.Popen(
                [*self._program.argv, str(self._configuration), *self._mode],
                executable=self._program.executable,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self.answers() or process.poll() is not None, "the store answers", PATIENCE_S)
        if process.poll() is not None:
            raise RuntimeError(f"the store ended with status {process.returncode}:\n{self._log.read_text()}")
        return self

    def kill(self) -> None:
        """End it at once, with all that it holds; calling it again does no harm."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)

    def hang(self) -> None:
        """Let it do nothing more, until resume(); its connections stay open."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    # --- what it knows

    def ask(self, *words: str | bytes | float) -> Any:
        """
        Return the answer to a command.

        Raises:
            RedisError: it answers with an error, or not at all.

        """
        user, password = self._login or (None, None)
        with Redis(
            unix_socket_path=str(self.path), socket_timeout=PATIENCE_S, username=user, password=password
        ) as client:
            return client.execute_command(*words)

    def answers(self) -> bool:
        """Return whether it takes commands."""
        try:
            return bool(self.ask("PING"))
        except (OSError, RedisError):
            return False

    # --- its port

    def withdraw(self) -> None:
        """Leave the port to somebody else, and everybody who is connected."""
        self.ask("CONFIG", "SET", "port", "0")
        self.ask("CLIENT", "KILL", "TYPE", "normal")

    def come_back(self) -> None:
        """Listen on the port again."""
        self.ask("CONFIG", "SET", "port", str(self.port))
