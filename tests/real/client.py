# SPDX-License-Identifier: ISC
"""
SMTP clients with addresses of their own: what a mail program or a bot does, and the exact replies it gets.

Sessions may be used from many threads at once, each session from one.
"""

import base64
import enum
import socket
import time
from collections.abc import Iterable
from types import TracebackType
from typing import BinaryIO, Final, Self

import attrs

from tests.real.imap import ImapSession
from tests.real.network import IMAPS, SMTPS, SUBMISSION, ClientNetwork
from tests.real.tls import start_tls

TIMEOUT_S: Final = 15.0
NAME: Final = "client.example.net"


class Mechanism(enum.Enum):
    """How a client logs in."""

    PLAIN = enum.auto()  # with initial response, as nearly all programs do
    PLAIN_IN_TWO = enum.auto()
    LOGIN = enum.auto()


@attrs.frozen
class Reply:
    """A reply of the server, its lines joined by newlines; code 0 and a reason where the connection ended instead."""

    code: int
    text: str
    elapsed_s: float = attrs.field(eq=False)

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


class Session:
    """One SMTP session, past its greeting; methods return what the server replied."""

    def __init__(self, connection: socket.socket, *, tls_first: bool) -> None:
        """Take over a fresh connection; it is closed when the greeting cannot be read."""
        self._connection = connection
        self._lines: BinaryIO | None = None
        started_s = time.monotonic()
        try:
            if tls_first:
                self._connection = start_tls(connection)
            self._lines = self._connection.makefile("rb")
        except OSError as error:  # ssl.SSLError is one
            self.greeting = Reply(0, repr(error), time.monotonic() - started_s)
        else:
            self.greeting = self._reply(started_s)

    def command(self, line: str) -> Reply:
        """Send one command, whatever it is."""
        return self._send(line.encode() + b"\r\n")

    def ehlo(self) -> Reply:
        """Greet the server."""
        return self.command(f"EHLO {NAME}")

    def starttls(self) -> Reply:
        """Turn on TLS and greet again; return the reply to the last of the two commands."""
        reply = self.command("STARTTLS")
        if reply.code != 220:
            return reply
        try:
            self._connection = start_tls(self._connection)
        except OSError as error:
            return Reply(0, repr(error), reply.elapsed_s)
        self._lines = self._connection.makefile("rb")
        return self.ehlo()

    def login(self, user: str, password: str, mechanism: Mechanism = Mechanism.PLAIN) -> Reply:
        """Try to log in; return the reply that ended the exchange, with the time of all of it."""
        started_s = time.monotonic()
        secret = f"\0{user}\0{password}"
        match mechanism:
            case Mechanism.PLAIN:
                dialogue = [f"AUTH PLAIN {_base64(secret)}"]
            case Mechanism.PLAIN_IN_TWO:
                dialogue = ["AUTH PLAIN", _base64(secret)]
            case Mechanism.LOGIN:
                dialogue = ["AUTH LOGIN", _base64(user), _base64(password)]
        for line in dialogue:
            reply = self.command(line)
            if reply.code != 334:
                break
        return attrs.evolve(reply, elapsed_s=time.monotonic() - started_s)

    def submit(self, sender: str, recipients: Iterable[str], message: str) -> Reply:
        """Send a message; return the reply to its last line or to the first command that was refused."""
        for line in (f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{recipient}>" for recipient in recipients)):
            reply = self.command(line)
            if reply.code != 250:
                return reply
        reply = self.command("DATA")
        if reply.code != 354:
            return reply
        lines = [f".{line}" if line.startswith(".") else line for line in message.splitlines()]
        return self._send("\r\n".join([*lines, ".", ""]).encode())

    def ended(self, timeout_s: float = 1.0) -> bool:
        """Return whether the server closes the connection within *timeout_s* without another word."""
        if self._lines is None:
            return True
        self._connection.settimeout(timeout_s)
        try:
            return self._lines.read(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Hang up without QUIT."""
        if self._lines is not None:
            self._lines.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, data: bytes) -> Reply:
        started_s = time.monotonic()
        try:
            self._connection.sendall(data)
        except OSError as error:
            return Reply(0, repr(error), time.monotonic() - started_s)
        return self._reply(started_s)

    def _reply(self, started_s: float) -> Reply:
        """Read one reply; RFC 5321, 4.2.1: the last line has a blank after its code, or nothing."""
        texts: list[str] = []
        try:
            while self._lines is not None:
                line = self._lines.readline(65536).decode("utf-8", "backslashreplace").rstrip("\r\n")
                if not line:
                    return Reply(0, "closed", time.monotonic() - started_s)
                texts.append(line[4:])
                if line[3:4] != "-":
                    return Reply(int(line[:3]), "\n".join(texts), time.monotonic() - started_s)
        except OSError as error:
            return Reply(0, repr(error), time.monotonic() - started_s)
        return Reply(0, "closed", time.monotonic() - started_s)


@attrs.frozen
class Clients:
    """All clients there are, by their addresses."""

    network: ClientNetwork

    def connect(self, source: str, port: int, timeout_s: float = TIMEOUT_S) -> Session:
        """
        Open a session from the address *source* up to its greeting.

        Raises:
            OSError: there was no connection: TimeoutError where a firewall drops the client.

        """
        return Session(self.network.connect(source, port, timeout_s), tls_first=port == SMTPS)

    def open(self, source: str, port: int = SUBMISSION) -> Session:
        """Open a session and bring it where AUTH is possible: greeting, EHLO and TLS; all must succeed."""
        session = self.connect(source, port)
        replies = [session.greeting, session.ehlo()]
        if port != SMTPS:
            replies.append(session.starttls())
        if [reply.code for reply in replies] != [220, *(250 for _ in replies[1:])]:
            session.close()
            raise ConnectionError(f"{source} port {port}: {', '.join(map(str, replies))}")
        return session

    def login(
        self,
        source: str,
        user: str,
        password: str,
        *,
        port: int = SUBMISSION,
        mechanism: Mechanism = Mechanism.PLAIN,
    ) -> Reply:
        """Log in in a session of its own; return the reply to the login."""
        with self.open(source, port) as session:
            reply = session.login(user, password, mechanism)
            session.command("QUIT")
        return reply

    def open_imap(self, source: str, port: int = IMAPS) -> ImapSession:
        """Open an IMAP session from *source* and bring it where LOGIN is possible: greeting and TLS; both must succeed."""
        session = ImapSession(self.network.connect(source, port, TIMEOUT_S), tls_first=port == IMAPS)
        if port != IMAPS and (reply := session.starttls()).status != "OK":
            session.close()
            raise ConnectionError(f"{source} port {port}: {session.greeting}, {reply}")
        return session


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
