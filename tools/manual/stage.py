# SPDX-License-Identifier: ISC
"""
Where the commands of the manual are run.

A real daemon below a folder that stands for ``/``, a clock that is moved by hand, and a mail server that reports
logins. The firewall is a program that takes what it is told, so that the pages can be made without root.
"""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import attrs

from tools.manual.mail_server import MailServer

START_S: Final = 1_795_238_040  # 2026-11-21 05:14:00 UTC
WAIT_S: Final = 30.0
CHECKOUT: Final = Path(__file__).resolve().parents[2]
_CLOCK: Final = Path(__file__).with_name("clock")
_HELPER: Final = "#!/bin/sh\nexec cat >/dev/null\n"
_RELAY_SOCKET: Final = "/run/filter-ban/relay.sock"
_PROGRAM: Final = (sys.executable, "-m", "filter_ban")
# What is another one in each run or on each machine: its name, process ids, and the demonstration's port.
_CHANGING: Final = (
    (re.compile(r"engine [0-9]+, enforcer [0-9]+"), "engine 813, enforcer 811"),
    (re.compile(r"(?m)^filter-ban on \S+$"), "filter-ban on mail.example.org"),
    (re.compile(r'"pid": [0-9]+'), '"pid": 813'),
    (re.compile(r'"enforcer_pid": [0-9]+'), '"enforcer_pid": 811'),
    (re.compile(r"127\.0\.0\.1:[0-9]{4,5}\b"), "127.0.0.1:45871"),
)

CONFIGURATION: Final = """\
[never]
networks = ["203.0.113.10"]

[users]
domains = ["example.org"]

[firewall]
backend = "helper"
helper = "{root}/usr/local/libexec/ban-list"
helper_protocol = "lines"

[ledger]
path = "{root}/var/lib/filter-ban/ledger.sqlite3"

[daemon]
socket_dir = "{root}/run/filter-ban"
user = ""

[postfix]
listen = []
"""


@attrs.frozen
class Shown:
    """A command line, what it printed on both streams, and its exit status."""

    line: str
    output: str
    status: int


class Stage:
    """A daemon with everything it owns below *root*, a folder that is to be empty. Use it as a context manager."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._clock = root / "clock"
        self._clock.touch()
        self._now_s = float(START_S)
        self.wait(0)
        self.write("/usr/local/libexec/ban-list", _HELPER)
        self._path("/usr/local/libexec/ban-list").chmod(0o755)
        self.write("/etc/filter-ban.toml", CONFIGURATION.format(root=root))
        self._path("/var/lib/filter-ban").mkdir(parents=True)
        self._daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._path("/log").open("wb") as log:
            self._daemon = subprocess.Popen(
                [*_PROGRAM, *self._config, "serve"],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            _wait_for(self._is_up, "the daemon is up")
        except BaseException as error:
            self._end(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        """End the daemon; its log goes with the *error* that ended the play."""
        if self._daemon is not None:
            self._daemon.terminate()
            try:
                self._daemon.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
        if error is not None:
            error.add_note(self._path("/log").read_text())

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._now_s += seconds
        os.utime(self._clock, (self._now_s, self._now_s))

    def write(self, path: str, text: str) -> None:
        """Write a file that commands may name."""
        place = self._path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def run(self, line: str) -> Shown:
        """Run a command line of ``filter-ban``; files of the stage are named as if they were below ``/``."""
        return self._run(line, [*_PROGRAM, *self._config, *map(self._real, shlex.split(line)[1:])])

    def run_python(self, line: str, code: str) -> Shown:
        """Run *code*, which does what the command *line* does."""
        return self._run(line, [sys.executable, "-c", code])

    def _run(self, line: str, argv: Sequence[str]) -> Shown:
        done = subprocess.run(
            argv,
            env=self._environment(),
            cwd=self._root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=WAIT_S,
            check=False,
        )
        text = done.stdout.decode().replace(f" {' '.join(self._config)}", "").replace(str(self._root), "")
        for pattern, usual in _CHANGING:
            text = pattern.sub(usual, text)
        return Shown(line, text, done.returncode)

    def settle(self) -> None:
        """Wait until bans are in force, the ledger has all, and the firewall has been compared at the time that it is now."""

        def settled() -> bool:
            status = json.loads(self.run("filter-ban status --json").output)
            waiting = [number for key, number in status["ledger"].items() if key.startswith("pending_")]
            return not status["firewall"]["pending"] and not any(waiting)

        _wait_for(settled, "bans are in force and the ledger has all")
        self.run("filter-ban resync")

    def mail_server(self) -> MailServer:
        """Return a mail server of this daemon."""
        return MailServer(self._path(_RELAY_SOCKET), lambda: self._now_s)

    def _is_up(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            return not probe.connect_ex(str(self._path(_RELAY_SOCKET)))

    @property
    def _config(self) -> list[str]:
        return ["--config", str(self._path("/etc/filter-ban.toml"))]

    def _path(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def _real(self, word: str) -> str:
        """Return *word*, or where it is here if it names a file of the stage."""
        return str(self._path(word)) if word.startswith("/") and self._path(word).exists() else word

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join((str(_CLOCK), str(CHECKOUT)))
        mine = {"PYTHONPATH": path, "MANUAL_CLOCK": str(self._clock), "TZ": "UTC", "COLUMNS": "100"}
        return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **mine}


def _wait_for(fact: Callable[[], Any], what: str) -> Any:
    """Return the first true result of *fact*."""
    deadline_s = time.monotonic() + WAIT_S
    while not (result := fact()):
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"not within {WAIT_S:g} s: {what}")
        time.sleep(0.02)
    return result
