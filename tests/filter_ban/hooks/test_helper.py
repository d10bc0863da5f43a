# SPDX-License-Identifier: ISC
"""The helper process."""

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from filter_ban.hooks.process import HelperProcess
from filter_ban.hooks.wire import Outcome, Run
from tests.filter_ban.daemon.process import WAIT_S, wait_for
from tests.filter_ban.hooks.programs import heard, keeper, script
from tests.filter_ban.hooks.receiver import receiving


class Helper:
    """A helper, and the engine's end of its connection."""

    def __init__(self) -> None:
        self.process = HelperProcess()
        self.connection = self.process.connection
        self.connection.settimeout(WAIT_S)
        self._lines: IO[bytes] = self.connection.makefile("rb")

    def ask(self, number: int, *hook: str, timeout_s: float = WAIT_S) -> None:
        """Have a hook run."""
        self.connection.sendall(Run(number, hook, timeout_s, {"number": number}).encode())

    def outcome(self) -> Outcome:
        """Return the next outcome."""
        return Outcome.parse(self._lines.readline())

    def hang_up(self) -> None:
        """Be gone, as an engine that ends."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self._lines.close()
        self.connection.close()


@pytest.fixture
def helper() -> Iterator[Helper]:
    """Provide a helper."""
    helper = Helper()
    try:
        yield helper
    finally:
        helper.hang_up()
        helper.process.end()


def test_outcomes(helper: Helper, tmp_path: Path) -> None:
    """Each run has its outcome, whatever becomes of the others."""
    with receiving() as receiver:
        helper.ask(1, str(keeper(tmp_path)))
        helper.ask(2, str(tmp_path / "nosuch"))
        helper.ask(3, receiver.url)
        outcomes = {outcome.number: outcome.problem for outcome in (helper.outcome() for _ in range(3))}

    assert outcomes == {1: "", 2: "no such program, or it may not be run", 3: ""}
    assert heard(tmp_path) == [{"number": 1}]
    assert [document for _, _, document in receiver.posted] == [{"number": 3}]


def test_at_once(helper: Helper, tmp_path: Path) -> None:
    """A run that hangs holds up no other."""
    helper.ask(1, str(script(tmp_path / "slow", "exec sleep 60")), timeout_s=2.0)
    helper.ask(2, str(script(tmp_path / "quick", "exit 0")))

    assert helper.outcome() == Outcome(2)
    assert helper.outcome() == Outcome(1, "no end within 2 s")


def test_signals(helper: Helper, tmp_path: Path) -> None:
    """Signals to the engine's group do not end it, and the programs that it runs do not ignore them."""
    helper.ask(1, str(script(tmp_path / "first", "exit 0")))
    helper.outcome()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(helper.process.pid, number)
    helper.ask(2, str(script(tmp_path / "hook", f"grep SigIgn /proc/self/status > {tmp_path}/ignored")))

    assert helper.outcome() == Outcome(2)
    ignored = int((tmp_path / "ignored").read_text().split()[1], 16)
    assert not ignored & sum(1 << number - 1 for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))


def test_engine_that_is_gone(helper: Helper, tmp_path: Path) -> None:
    """What is under way is finished, and the helper leaves."""
    body = f"echo > {tmp_path}/begun; sleep 0.3; echo > {tmp_path}/finished"
    helper.ask(1, str(script(tmp_path / "hook", body)))
    wait_for((tmp_path / "begun").exists, "it has begun")
    helper.hang_up()

    wait_for((tmp_path / "finished").exists, "it is finished")
    assert helper.process._process.wait(WAIT_S) == 0
