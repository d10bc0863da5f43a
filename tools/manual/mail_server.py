# SPDX-License-Identifier: ISC
"""A mail server whose users log in, or fail to: as much of OpenSMTPD's filter protocol as that takes."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

WAIT_S: Final = 30.0
_REQUEST: Final = "c224c6d1157eb2aa"


class MailServer:
    """The stream of an smtpd whose users log in, or fail to."""

    def __init__(self, relay_socket: Path, now: Callable[[], float]) -> None:
        self._now = now
        self._sessions = 0
        self._secrets = 0
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.settimeout(WAIT_S)
        self._connection.connect(str(relay_socket))
        self._stream = self._connection.makefile("rwb")
        self._say("config|protocol|0.7", "config|ready")
        while self._stream.readline() != b"register|ready\n":
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.close()
        self._connection.close()

    def login(self, client: str, user: str, *, right: bool = False, port: int = 587) -> str:
        """Log in once in a session of its own, with a password not tried before; return what the client is told."""
        with self._session(client, port) as (session, welcome):
            if welcome != "proceed":
                return welcome
            self._secrets += 1
            answer = self._ask("auth", session, f"PLAIN AGEA{self._secrets:04}")
            if answer == "proceed":
                self._report("link-auth", session, "pass" if right else "fail", user)
            return answer

    @contextmanager
    def _session(self, client: str, port: int) -> Iterator[tuple[str, str]]:
        self._sessions += 1
        session = f"{self._sessions:016x}"
        host = f"[{client}]" if ":" in client else client
        self._report("link-connect", session, "<unknown>", "fail", f"{host}:40000", f"198.51.100.1:{port}")
        yield session, self._ask("connect", session, "<unknown>", client)
        self._report("link-disconnect", session)

    def _report(self, event: str, session: str, *fields: str) -> None:
        self._say("|".join((f"report|0.7|{self._now():.6f}|smtp-in|{event}|{session}", *fields)))

    def _ask(self, phase: str, session: str, *fields: str) -> str:
        self._say("|".join((f"filter|0.7|{self._now():.6f}|smtp-in|{phase}|{session}|{_REQUEST}", *fields)))
        answer = self._stream.readline().decode()
        return answer.removeprefix(f"filter-result|{session}|{_REQUEST}|").rstrip("\n")

    def _say(self, *lines: str) -> None:
        self._stream.write("".join(f"{line}\n" for line in lines).encode())
        self._stream.flush()
