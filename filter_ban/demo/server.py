# SPDX-License-Identifier: ISC
"""The mail server of the demonstration: an ordinary aiosmtpd server that a guard makes safe in one line."""

import asyncio
import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from filter_ban.sensors.aiosmtpd import Guard


class MailServer:
    """
    Accepts mail from those who log in, and keeps none of it.

    ``checked`` counts by address the passwords that were compared, ``mails`` by user those that were accepted.
    """

    def __init__(self, guard: Guard, accounts: Mapping[str, str]) -> None:
        self.checked: Counter[str] = Counter()
        self.mails: Counter[str] = Counter()
        self._guard = guard
        self._accounts = {user.encode(): password.encode() for user, password in accounts.items()}
        self._servers: list[asyncio.Server] = []

    async def start(self, hosts: Sequence[str]) -> dict[str, int]:
        """Listen on a free port of each of *hosts*; return the ports."""
        loop = asyncio.get_running_loop()
        ports = {}
        for host in hosts:
            server = await loop.create_server(self._connection, host, 0)
            self._servers.append(server)
            ports[host] = server.sockets[0].getsockname()[1]
        return ports

    def stop(self) -> None:
        """Close the listening sockets."""
        for server in self._servers:
            server.close()

    def _connection(self) -> SMTP:
        return self._guard.smtp(
            self,
            authenticator=self._authenticate,
            auth_require_tls=False,  # nothing but loopback
            hostname="demo.example",
            ident="filter-ban demo",
        )

    def _authenticate(
        self, _server: SMTP, session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.checked[str(session.peer[0] if session.peer else "")] += 1
        right = hmac.compare_digest(self._accounts.get(data.login, b"\0"), data.password)
        return AuthResult(success=right, handled=False, auth_data=data)

    # --- hooks of aiosmtpd

    async def handle_MAIL(  # noqa: N802 - aiosmtpd finds it by this name
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Accept mail from those who logged in."""
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, _envelope: Envelope) -> str:  # noqa: N802 - as above
        """Take the mail and forget it."""
        assert isinstance(session.auth_data, LoginPassword)
        self.mails[session.auth_data.login.decode()] += 1
        return "250 2.0.0 accepted"
