# SPDX-License-Identifier: ISC
"""A Redis or Valkey in a temporary folder, as a process of the test."""

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from filter_ban.cluster.keys import ClusterKeys
from tests.filter_ban.authority import Authority
from tests.filter_ban.courier.node import KEY
from tests.filter_ban.daemon.process import free_port, wait_for

# what checks the files of a server is the server itself, where a package has only the tools
PROGRAMS = ("valkey-server", "redis-server", "valkey-check-rdb", "redis-check-rdb")


def program() -> str:
    """Return the program that is a server; skip the test where there is none."""
    for name in PROGRAMS:
        if found := shutil.which(name):
            return found
    pytest.skip("needs a Redis or Valkey server (package redis-server, redis-tools or valkey-server)")


class RedisServer:
    """
    A server on a unix socket, and on a port of loopback.

    Args:
        folder: For its socket and log; of short name.
        options: Further ones, as on its command line without the dashes.

    """

    def __init__(self, folder: Path, **options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.socket = folder / "redis.sock"
        self._options = {"port": str(self.port), "save": "", "appendonly": "no", **options}
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """The URL of its socket."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        found = program()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["redis-server", *self.arguments()],
                executable=found,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        wait_for(self.answers, "the server answers")

    def arguments(self) -> list[str]:
        """Return what its command line says."""
        options = {
            "bind": "127.0.0.1",
            "unixsocket": str(self.socket),
            "dir": str(self.folder),
            **self._options,
        }
        return [word for name, value in options.items() for word in (f"--{name}", value)]

    def answers(self) -> bool:
        """Return whether it does."""
        try:
            with self.client() as client:
                client.ping()
        except redis.exceptions.AuthenticationError:
            return True
        except redis.exceptions.ConnectionError:
            return False
        return True

    def client(self, **options: Any) -> "redis.Redis":
        """Return a client of it."""
        return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=10, **options)

    def put(self, place: str, text: bytes, stream: str = "", key: str = KEY) -> str:
        """Put an entry into *stream*, sealed for *place* with *key*, and return its id."""
        tag = ClusterKeys(key.encode()).seal(place, text)
        entry: bytes = self.ask("XADD", stream or place, "*", "m", text, "t", tag)
        return entry.decode()

    def ask(self, *command: bytes | str | int, **options: Any) -> Any:
        """Return the answer to a command."""
        with self.client(**options) as client:
            return client.execute_command(*command)

    def freeze(self) -> None:
        """Have it hang: connections are there, and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Have it gone, with all it knew."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self.socket.unlink(missing_ok=True)


class Sentinel(RedisServer):
    """
    A Sentinel that makes a replica the master as soon as the master is gone.

    Args:
        folder: For its configuration.
        master: Port of the master.
        options: Further ones of its configuration.

    """

    NAME = "mail"

    def __init__(self, folder: Path, master: int, **options: str) -> None:
        folder.mkdir()
        self._master = master
        self._more = "".join(f"{name} {value}\n" for name, value in options.items())
        super().__init__(folder)

    def arguments(self) -> list[str]:
        """Return what its command line says."""
        config = self.folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\nunixsocket {self.socket}\ndir {self.folder}\n"
            f"sentinel monitor {self.NAME} 127.0.0.1 {self._master} 1\n"
            f"sentinel down-after-milliseconds {self.NAME} 300\n"
            f"sentinel failover-timeout {self.NAME} 2000\n"
            f"{self._more}"
        )
        return [str(config), "--sentinel"]


@contextlib.contextmanager
def serving(folder: Path, **options: str) -> Iterator[RedisServer]:
    """Run a server in *folder*."""
    folder.mkdir(exist_ok=True)
    server = RedisServer(folder, **options)
    try:
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def secured(folder: Path, authority: Authority, **options: str) -> Iterator[tuple[RedisServer, str]]:
    """Run a server and yield it with its URL with TLS."""
    port = free_port()
    with serving(folder, **tls_options(authority, port), **options) as server:
        yield server, f"rediss://127.0.0.1:{port}"


def tls_options(authority: Authority, port: int) -> dict[str, str]:
    """Return the options of a server that speaks TLS on that port, and asks for certificates as it does by default."""
    pair = authority.issue("store")
    return {
        "tls-port": str(port),
        "tls-cert-file": str(pair.file),
        "tls-key-file": str(pair.key_file),
        "tls-ca-cert-file": str(authority.file),
    }
