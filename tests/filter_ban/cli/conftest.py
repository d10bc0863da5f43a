# SPDX-License-Identifier: ISC
"""A daemon that says what a test tells it to, a real ledger, and a way to run commands."""

import contextlib
import json
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from filter_ban.cli import group
from filter_ban.client import parse_network
from filter_ban.ledger import Ledger
from filter_ban.model import Ban, Kind, Strike

Answer = list[dict[str, Any]] | bytes
Run = Callable[..., Result]


class FakeDaemon:
    """
    Serves the control socket as :mod:`filter_ban.daemon.control` does.

    ``answers`` holds for each command the parts of its answer, or a function that makes them of the request. Bytes are
    sent as they are, and the connection is closed after them.
    """

    def __init__(self, path: Path) -> None:
        self.requests: list[dict[str, Any]] = []
        self.answers: dict[str, Answer | Callable[[dict[str, Any]], Answer]] = {}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Serve no more; the socket stays behind, as after a crash."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
                    for line in lines:
                        self._answer(connection, json.loads(line))

    def _answer(self, connection: socket.socket, request: dict[str, Any]) -> None:
        self.requests.append(request)
        answer = self.answers.get(request["command"], [{"error": "not expected"}])
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, bytes):
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_RDWR)
            return
        last = [] if answer and "error" in answer[-1] else [{"done": True}]
        connection.sendall(b"".join(json.dumps(part).encode() + b"\n" for part in [*answer, *last]))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder whose name leaves room for that of a socket."""
    path = Path(tempfile.mkdtemp(prefix="fb"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def config_file(folder: Path) -> Path:
    """Return a configuration with all its places in *folder*."""
    file = folder / "filter-ban.toml"
    file.write_text(
        f'[daemon]\nsocket_dir = "{folder}"\n[ledger]\npath = "{folder}/ledger.sqlite3"\n'
        '[never]\nnetworks = ["198.51.100.0/24"]\n'
    )
    return file


@pytest.fixture
def run(config_file: Path) -> Run:
    """Return a way to run a command with that configuration."""

    def run_command(*arguments: str, text: str | bytes | None = None) -> Result:
        return CliRunner().invoke(group.filter_ban, ["--config", str(config_file), *arguments], input=text)

    return run_command


@pytest.fixture
def daemon(folder: Path) -> Iterator[FakeDaemon]:
    """Return a daemon that serves in *folder*."""
    fake = FakeDaemon(folder / "control.sock")
    yield fake
    fake.stop()


@pytest.fixture
def ban_document() -> dict[str, Any]:
    """Return a ban as the daemon tells it, begun 12 minutes ago."""
    now_s = int(time.time())
    return {
        "client": "192.0.2.7",
        "start": now_s - 720,
        "end": now_s + 7200,
        "rule": "5 in 10m",
        "reason": "failed logins",
        "offence": 2,
        "strikes": 5.2,
        "reference": "K7Q2ABCD",
        "firewall": True,
        "node": "",
        "here": False,
        "dropped": 1234,
        "enforcement": "in-force",
        "problem": "",
    }


@pytest.fixture
def ledger(folder: Path) -> Path:
    """Return the path of a ledger with three active bans, one that is over, one that was lifted, and some strikes."""
    path = folder / "ledger.sqlite3"
    now_s = int(time.time())
    with Ledger.open(path, now_s) as opened:
        opened.record_bans(
            [
                _ban("192.0.2.7", now_s - 90_000, now_s - 80_000, "AAAA0001"),
                _ban("203.0.113.9", now_s - 5000, None, "AAAA0002"),
                _ban("192.0.2.7", now_s - 60, now_s + 7200, "AAAA0003"),
                _ban("2001:db8:1::/48", now_s - 30, now_s + 7200, "AAAA0004"),
                _ban("203.0.113.10", now_s - 400, now_s + 7200, "AAAA0005"),
            ]
        )
        opened.lift([parse_network("203.0.113.10")], now_s - 300, "operator")
        opened.record_strikes(
            Strike(
                parse_network("192.0.2.7"),
                now_s - 100 + at,
                Kind.AUTH_FAIL,
                1,
                "alice@example.org",
                7,
                "smtps",
            )
            for at in range(3)
        )
    return path


def _ban(client: str, start_s: int, end_s: int | None, reference: str) -> Ban:
    return Ban(
        client=parse_network(client),
        start_s=start_s,
        end_s=end_s,
        rule="5 in 10m",
        reason="failed logins",
        strikes=5,
        reference=reference,
    )
