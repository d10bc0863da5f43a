# SPDX-License-Identifier: ISC
"""A strict smtpd and an obedient daemon to put the real relay process between."""

import itertools
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PATIENCE_S = 20.0  # bound of every wait in these tests; nothing is asserted about times below it
SMTPD_CONFIG = (
    b"config|smtpd-version|7.8.0-portable\nconfig|protocol|0.7\nconfig|smtp-session-timeout|300\n"
    b"config|subsystem|smtp-in\nconfig|admd|mx.example.org\nconfig|ready\n"
)
TOKEN = b"dae86769bfadac79"


class Smtpd:
    """smtpd's side of the stream: each line of the relay must be one that a real smtpd survives."""

    def __init__(self, process: subprocess.Popen[bytes], stream: socket.socket) -> None:
        self.process = process
        self.stream = stream
        self.open: dict[bytes, bytes] = {}
        self._ids = itertools.count(1)
        self._rest = b""
        self._lines: list[bytes] = []
        stream.settimeout(PATIENCE_S)

    def greet(self) -> list[bytes]:
        """Do the handshake; return what the relay registered."""
        self.send(SMTPD_CONFIG)
        registered = []
        while (line := self.read_line()) != b"register|ready":
            assert line.startswith(b"register|")
            registered.append(line)
        return registered

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.stream.sendall(data)

    def report(self, event: str, session: bytes, *fields: str) -> bytes:
        """Send a report; return its line."""
        line = b"|".join(
            [b"report|0.7|1795225454.231733|smtp-in", event.encode(), session, *map(str.encode, fields)]
        )
        self.send(line + b"\n")
        return line

    def connect(self, address: str = "192.0.2.7") -> bytes:
        """Open a session without a request; return its id."""
        session = b"%016x" % next(self._ids)
        self.report("link-connect", session, "<unknown>", "fail", f"{address}:4711", "198.51.100.1:465")
        return session

    def request(self, session: bytes, phase: str = "auth", argument: str = "LOGIN") -> bytes:
        """Send a request and expect its one answer from now on; return the line."""
        line = b"|".join(
            [b"filter|0.7|1795225454.231784|smtp-in", phase.encode(), session, TOKEN, argument.encode()]
        )
        self.open[session] = TOKEN
        self.send(line + b"\n")
        return line

    def read_line(self, within_s: float = PATIENCE_S) -> bytes:
        """Return the next line of the relay."""
        end_s = time.monotonic() + within_s
        while not self._lines:
            left_s = end_s - time.monotonic()
            ready, _, _ = select.select([self.stream], [], [], max(left_s, 0))
            assert ready, "the relay is silent"
            data = self.stream.recv(65536)
            assert data, f"the relay has left: {self.process.wait(PATIENCE_S)}"
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._lines += lines
        return self._lines.pop(0)

    def answer(self, within_s: float = PATIENCE_S) -> tuple[bytes, bytes]:
        """Return session and decision of the next answer; anything but an answer to an open request fails."""
        word, session, token, decision = self.read_line(within_s).split(b"|", 3)
        assert word == b"filter-result"
        assert self.open.pop(session) == token
        name, bar, text = decision.partition(b"|")
        assert (name, bar) == (b"proceed", b"") or (
            name in (b"reject", b"disconnect") and text[:1] in (b"4", b"5") and text[3:4] == b" "
        )
        return session, decision

    def ask(self, session: bytes, phase: str = "auth") -> bytes:
        """Send a request, wait for its answer, return the decision."""
        self.request(session, phase)
        answered, decision = self.answer()
        assert answered == session
        return decision

    def silent(self) -> bool:
        """Return whether nothing is left to read after one more question has gone all the way."""
        session = self.connect()
        self.ask(session)
        return not self._lines and not self._rest

    def resident_kib(self) -> int:
        """Return the relay's resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def close(self) -> int:
        """End the input; return the relay's exit status."""
        self.stream.close()
        return self.process.wait(PATIENCE_S)


def result(request: bytes, decision: bytes) -> bytes:
    """Return the line that answers a request line."""
    fields = request.split(b"|")
    return b"filter-result|%b|%b|%b\n" % (fields[5], fields[6], decision)


class Daemon:
    """A daemon in threads; ``reply`` turns a request line into what is sent for it, ``lines`` is all it was told."""

    def __init__(self, folder: Path, reply: Callable[[bytes], bytes], greeting: bytes) -> None:
        self.reply = reply
        self.greeting = greeting
        self.lines: list[list[bytes]] = []  # one list for each connection
        self._connections: list[socket.socket] = []
        self._changed = threading.Condition()
        path = folder / "relay.sock"
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def told(self, condition: Callable[[list[bytes]], bool]) -> list[bytes]:
        """Wait until *condition* holds for the lines of the newest connection; return them."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.lines and condition(self.lines[-1]), PATIENCE_S)
            return list(self.lines[-1])

    def connected(self, times: int) -> None:
        """Wait until there have been so many connections."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.lines) >= times, PATIENCE_S)

    def drop(self) -> None:
        """Close the connections there are."""
        for connection in self._connections:
            _shut(connection)

    def stop(self) -> None:
        """Leave as a killed daemon does: the socket file stays and nobody listens."""
        _shut(self._listener)
        self._threads[0].join()  # no more connections from here on
        self.drop()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            with self._changed:
                self.lines.append([])
                self._changed.notify_all()
            thread = threading.Thread(target=self._serve, args=(connection, self.lines[-1]))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, told: list[bytes]) -> None:
        with connection, connection.makefile("rb") as stream:
            try:
                for line in stream:
                    with self._changed:
                        told.append(line.rstrip(b"\n"))
                        self._changed.notify_all()
                    if line == b"config|ready\n":
                        connection.sendall(self.greeting)
                    elif line.startswith(b"filter|"):
                        connection.sendall(self.reply(line.rstrip(b"\n")))
            except OSError:
                return


def _shut(stream: socket.socket) -> None:
    try:
        stream.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


@pytest.fixture
def answering() -> Callable[[bytes, bytes], bytes]:
    """How to build the line that answers a request line."""
    return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the sockets lie."""
    return tmp_path


@pytest.fixture
def start_daemon(folder: Path) -> Iterator[Callable[..., Daemon]]:
    """Start a daemon that proceeds unless told otherwise."""
    daemons = []

    def start(
        reply: Callable[[bytes], bytes] = lambda line: result(line, b"proceed"),
        greeting: bytes = b"register|report|smtp-in|link-auth\nregister|ready\n",
    ) -> Daemon:
        daemons.append(Daemon(folder, reply, greeting))
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.stop()


@pytest.fixture
def start_relay(folder: Path) -> Iterator[Callable[..., Smtpd]]:
    """Start the relay as smtpd does: one stream socket as standard input and output. Its log is ``relay.log``."""
    started = []

    def start(*, spawn: bool = False, deadline_ms: int = 1000, more: str = "") -> Smtpd:
        config = folder / "filter-ban.toml"
        config.write_text(
            f'[daemon]\nsocket_dir = "{folder}"\nspawn = {str(spawn).lower()}\n'
            f"[relay]\ndeadline_ms = {deadline_ms}\n{more}"
        )
        ours, theirs = socket.socketpair()
        with theirs, (folder / "relay.log").open("ab") as log:
            argv = [sys.executable, "-m", "filter_ban", "opensmtpd", "--config", str(config)]
            process = subprocess.Popen(
                argv, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=log, env=_environment()
            )
        started.append(Smtpd(process, ours))
        return started[-1]

    yield start
    for smtpd in started:
        smtpd.stream.close()
        try:
            assert smtpd.process.wait(PATIENCE_S) == 0
        except subprocess.TimeoutExpired:
            smtpd.process.kill()
            smtpd.process.wait()
            raise


def _environment() -> dict[str, str]:
    """Put this checkout, or what a test puts in its place, in the module path."""
    root = os.environ.get("FILTER_BAN_TEST_PATH", str(Path(__file__).parents[3]))
    return {**os.environ, "PYTHONPATH": root, "PYTHONSAFEPATH": "1"}
