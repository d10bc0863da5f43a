# SPDX-License-Identifier: ISC
"""An IMAP client as far as the login: what it sends, and the exact replies it gets."""

import socket
import time
from types import TracebackType
from typing import BinaryIO, Final, Self

import attrs

from tests.real.tls import start_tls

TAG: Final = "a1"


@attrs.frozen
class ImapReply:
    """
    The end of a command.

    The status is OK, NO or BAD, BYE where the server hung up with a word, and empty where it did so without one.
    """

    status: str
    text: str
    untagged: tuple[str, ...]  # what came before it, without the star
    elapsed_s: float = attrs.field(eq=False)

    def __str__(self) -> str:
        return f"{self.status} {self.text}"


class ImapSession:
    """One IMAP session, past its greeting; methods return what the server replied."""

    def __init__(self, connection: socket.socket, *, tls_first: bool) -> None:
        """
        Take over a fresh connection.

        Raises:
            OSError: there was no greeting; ssl.SSLError is one.

        """
        self._connection = connection
        try:
            if tls_first:
                self._connection = start_tls(connection)
            self._lines: BinaryIO = self._connection.makefile("rb")
            self.greeting = self._line()
        except BaseException:
            self._connection.close()
            raise

    def command(self, line: str) -> ImapReply:
        """Send one command, whatever it is; a server that hangs up instead of a reply is one, too."""
        started_s = time.monotonic()
        untagged: list[str] = []
        status, text = "", ""
        try:
            self._connection.sendall(f"{TAG} {line}\r\n".encode())
            while reply := self._line():
                mark, _, rest = reply.partition(" ")
                if mark == TAG:
                    status, _, text = rest.partition(" ")
                    break
                untagged.append(rest)
                if rest.startswith("BYE "):
                    status, _, text = rest.partition(" ")
        except OSError as error:
            text = repr(error)
        return ImapReply(status, text, tuple(untagged), time.monotonic() - started_s)

    def starttls(self) -> ImapReply:
        """Turn on TLS."""
        reply = self.command("STARTTLS")
        if reply.status == "OK":
            self._connection = start_tls(self._connection)
            self._lines = self._connection.makefile("rb")
        return reply

    def login(self, user: str, password: str) -> ImapReply:
        """Try to log in."""
        return self.command(f"LOGIN {_quoted(user)} {_quoted(password)}")

    def close(self) -> None:
        """Hang up without LOGOUT."""
        self._lines.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _line(self) -> str:
        return self._lines.readline(65536).decode("utf-8", "backslashreplace").rstrip("\r\n")


def _quoted(text: str) -> str:
    """Return *text* as a quoted string. Source: RFC 3501, 4.3."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
