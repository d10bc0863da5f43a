# SPDX-License-Identifier: ISC
"""
For tests of filters: lines as a server writes them, recorded dialogues, and a fake smtpd that runs a real program.

The fake is as strict as the real one: where that would die, `SmtpdDiedError` is raised.
"""

import base64
import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import attrs

from opensmtpd._address import Address
from opensmtpd._judge import Answer, Judge, SmtpdDiedError
from opensmtpd._mutate import mutations
from opensmtpd._names import AuthResult, Fcrdns, Phase
from opensmtpd._reports import LinkAuth, LinkConnect, LinkDisconnect, LinkTls, Report
from opensmtpd._requests import Auth, Connect, FilterRequest
from opensmtpd._text import vis
from opensmtpd._wire import encode_event as _encode_event

__all__ = [
    "Answer",
    "FakeSession",
    "FakeSmtpd",
    "Judge",
    "SmtpdDiedError",
    "Transcript",
    "encode_event",
    "handshake",
    "mutations",
    "read_transcript",
    "vis",
]

_SERVERS: Final = {"0.5": "6.6.1", "0.6": "6.8.0p2", "0.7": "7.8.0-portable"}
_STDERR_BYTES: Final = 1 << 20
_READ_BYTES: Final = 65536


def encode_event(event: Report | FilterRequest, version: str = "0.7") -> bytes:
    """Return the line by which a server of *version* says *event*."""
    return _encode_event(event, version).encode("latin-1")


def handshake(version: str = "0.7") -> bytes:
    """Return the lines by which a server of *version* begins."""
    protocol = f"config|protocol|{version}\n" if version >= "0.7" else ""
    return (
        f"config|smtpd-version|{_SERVERS[version]}\n{protocol}config|smtp-session-timeout|300\n"
        "config|subsystem|smtp-in\nconfig|admd|mx.example.org\nconfig|ready\n"
    ).encode("ascii")


@attrs.frozen
class Transcript:
    """A recorded dialogue: what the server wrote, what the filter wrote, and what was noted beside it."""

    version: str
    received: bytes
    sent: bytes
    comments: tuple[str, ...]


def read_transcript(path: Path) -> Transcript:
    """Return the dialogue in *path*: ``<`` from the server, ``>`` from the filter, ``#`` comments."""
    lines = path.read_bytes().split(b"\n")
    received, sent, comments = (
        [line[len(mark) :] for line in lines if line.startswith(mark)] for mark in (b"< ", b"> ", b"#")
    )
    version = next(
        line.split(b"|")[1].decode() for line in received if line.startswith((b"report|", b"filter|"))
    )
    return Transcript(
        version,
        b"".join(line + b"\n" for line in received),
        b"".join(line + b"\n" for line in sent),
        tuple(line.decode("utf-8", "backslashreplace").strip() for line in comments),
    )


class FakeSmtpd:
    """
    An smtpd that starts *command* as its filter, with standard input and output on one socket as the real one does.

    A context manager; leaving it ends the filter's input and expects status 0 within *timeout_s*. Not thread-safe.

    Args:
        command: The program and its arguments.
        version: Of the protocol.
        environment: Of the program; None: the caller's.
        timeout_s: How long a filter may take for the registration, for an answer, and to leave.
        clock: Gives the times of the server's lines, in Unix seconds.

    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        version: str = "0.7",
        environment: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.clock = clock
        self.judge = Judge(version)
        self.version = version
        self.timeout_s = timeout_s
        self.answers: list[Answer] = []
        self._answered: dict[str, Answer] = {}
        self._stderr = bytearray()
        self._sessions = 0
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        self._unsent = bytearray()
        with theirs:
            self.process = subprocess.Popen(
                list(command),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.PIPE,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        assert self.process.stderr is not None
        self._stderr_fd = self.process.stderr.fileno()
        os.set_blocking(self._stderr_fd, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and self.process.returncode is None:
                self.stop()
        finally:
            self.kill()
            self.close()

    @property
    def stderr(self) -> str:
        """What the filter has written to smtpd's log so far; the latest megabyte."""
        return self._stderr.decode("utf-8", "backslashreplace")

    def handshake(self) -> None:
        """Begin, and wait for the registration."""
        self.send(handshake(self.version))
        self.wait(lambda: self.judge.ready, "register|ready")

    def open_session(
        self, source: str = "192.0.2.7:4711", destination: str = "192.0.2.1:587", rdns: str = "<unknown>"
    ) -> "FakeSession":
        """Return a new session of a client at *source*; its link-connect was reported, nothing was asked."""
        self._sessions += 1
        session = FakeSession(self, f"{0x5E551011 + self._sessions:016x}", source)
        self.judge.begin(session.session)
        session.report(
            LinkConnect, rdns=rdns, fcrdns=Fcrdns.FAIL, src=Address(source), dst=Address(destination)
        )
        return session

    def token(self, phase: str) -> str:
        """Return the token of *phase*: one for all sessions."""
        return f"{0xD0000000 + list(Phase).index(Phase(phase)):016x}"

    def send(self, data: bytes) -> None:
        """Send bytes to the filter, as much as it takes now; the rest goes along with the next wait."""
        self._unsent += data
        self._exchange(0)

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """
        Exchange bytes with the filter until ``done()``.

        Raises:
            SmtpdDiedError: the filter wrote what kills a server, or ended.
            TimeoutError: *what* did not come in time.

        """
        deadline_s = time.monotonic() + self.timeout_s
        while not done():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(
                    f"{what}: did not come within {self.timeout_s} s; log: {self.stderr[-2000:]}"
                )
            self._exchange(left_s)

    def wait_answer(self, session: str) -> Answer:
        """Return the answer to the open request of *session*, waiting for it."""
        self.wait(lambda: session in self._answered, f"answer for session {session}")
        return self._answered.pop(session)

    def stop(self) -> None:
        """Close the socket, as a stopping smtpd does; the filter must leave with status 0."""
        self.wait(lambda: not self._unsent, "the filter to read")
        self._socket.close()
        deadline_s = time.monotonic() + self.timeout_s
        while self.process.poll() is None:
            if time.monotonic() > deadline_s:
                raise TimeoutError(
                    f"the filter did not leave within {self.timeout_s} s; log: {self.stderr[-2000:]}"
                )
            select.select([self._stderr_fd], [], [], 0.01)
            self._read_stderr()
        status = self.process.returncode
        self._read_stderr()
        if status != 0:
            raise SmtpdDiedError(f"the filter left with status {status}; log: {self.stderr[-2000:]}")

    def kill(self) -> None:
        """Kill the filter's process group."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self._read_stderr()

    def close(self) -> None:
        """Close all descriptors."""
        self._socket.close()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def _exchange(self, timeout_s: float) -> None:
        writers = [self._socket] if self._unsent else []
        readable, writable, _ = select.select([self._socket], writers, [], timeout_s)
        self._read_stderr()
        if writable:
            self._write()
        if self._socket in readable:
            self._read()

    def _write(self) -> None:
        try:
            del self._unsent[: self._socket.send(self._unsent)]
        except BrokenPipeError:
            self._lost()

    def _read(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except ConnectionResetError:
            data = b""
        if not data:
            self._lost()
        for answer in self.judge.receive(data):
            self.answers.append(answer)
            self._answered[answer.session] = answer

    def _read_stderr(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._stderr_fd, _READ_BYTES):
                self._stderr += data
                del self._stderr[:-_STDERR_BYTES]

    def _lost(self) -> None:
        try:
            status: int | str = self.process.wait(1)
        except subprocess.TimeoutExpired:
            status = "none, but its end of the socket is closed"
        self._read_stderr()
        raise SmtpdDiedError(f"warn: lost processor: exit status {status}; log: {self.stderr[-2000:]}")


class FakeSession:
    """A session of a client; made by `FakeSmtpd.open_session`. What the filter did not register is not sent."""

    def __init__(self, smtpd: FakeSmtpd, session: str, source: str) -> None:
        self._smtpd = smtpd
        self.session = session
        self.source = Address(source)

    def report(self, kind: type[Report], **fields: Any) -> None:
        """Report an event with the fields that follow time and session."""
        line = encode_event(kind(self._smtpd.clock(), self.session, **fields), self._smtpd.version)
        self._smtpd.send(line * self._smtpd.judge.reports.count(kind.name))

    def request(self, kind: type[FilterRequest], **fields: Any) -> bool:
        """Ask with the fields that follow the token, without waiting; return whether the phase is registered."""
        phase = kind.phase
        if phase not in self._smtpd.judge.phases:
            return False
        token = self._smtpd.token(phase)
        self._smtpd.judge.ask(self.session, token, phase)
        event = kind(self._smtpd.clock(), self.session, token, **fields)
        self._smtpd.send(encode_event(event, self._smtpd.version))
        return True

    def wait_answer(self) -> Answer:
        """Return the answer to the open request, waiting for it."""
        return self._smtpd.wait_answer(self.session)

    def ask(self, kind: type[FilterRequest], **fields: Any) -> Answer:
        """Ask and return the answer; where the phase is not registered, smtpd goes on as after ``proceed``."""
        if self.request(kind, **fields):
            return self.wait_answer()
        return Answer(self.session, self._smtpd.token(kind.phase), "proceed")

    def connect(self, rdns: str = "<unknown>") -> Answer:
        """Ask whether the client may have a banner."""
        host = self.source.host
        return self.ask(Connect, rdns=rdns, src=Address(f"[{host}]" if ":" in host else host or "local"))

    def start_tls(self) -> None:
        """Report a TLS handshake."""
        self.report(LinkTls, tls="TLSv1.3:TLS_AES_256_GCM_SHA384:256")

    def login(self, user: str, password: str, result: AuthResult = AuthResult.FAIL) -> Answer:
        """Ask about AUTH PLAIN with an initial response; unless it is refused, report its result. Return the answer."""
        response = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        answer = self.ask(Auth, argument=f"PLAIN {response}")
        if answer.reply is None:
            self.report(LinkAuth, result=result, username=vis(user))
        return answer

    def disconnect(self) -> None:
        """End the session; as with a real server, only after the answer to an open request."""
        if self._smtpd.judge.awaits_decision(self.session):
            self.wait_answer()
        self.report(LinkDisconnect)
        self._smtpd.judge.end(self.session)
