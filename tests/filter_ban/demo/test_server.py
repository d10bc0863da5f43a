# SPDX-License-Identifier: ISC
"""The mail server and the mail program of the demonstration, together."""

import asyncio

from filter_ban.config import Config
from filter_ban.demo.client import SmtpClient
from filter_ban.demo.server import MailServer
from filter_ban.sensors.aiosmtpd import EmbeddedGuard

HOST = "127.0.0.1"


def test_mail() -> None:
    """Mail is taken from those who logged in, and from nobody else."""

    async def act() -> list[str]:
        server = MailServer(EmbeddedGuard(Config()), {"carol": "green-door"})
        ports = await server.start([HOST])
        async with await SmtpClient.connect((HOST, ports[HOST]), HOST) as client:
            replies = [
                await client.send_mail("carol@demo.example", "friend@demo.example"),
                await client.login("carol", "red-door"),
                await client.login("dave", "green-door"),
                await client.login("carol", "green-door"),
                await client.send_mail("carol@demo.example", "friend@demo.example"),
            ]
        server.stop()
        assert server.mails == {"carol": 1}
        assert server.checked == {HOST: 3}
        return [reply[:3] for reply in replies]

    assert asyncio.run(act()) == ["530", "535", "535", "235", "250"]


def test_server_that_hangs_up() -> None:
    """A server that hangs up gives empty replies, not exceptions."""

    async def act() -> list[str]:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), HOST, 0)
        port = server.sockets[0].getsockname()[1]
        async with await SmtpClient.connect((HOST, port), HOST) as client:
            replies = [client.greeting, await client.command("NOOP"), await client.login("carol", "x")]
        server.close()
        return replies

    assert asyncio.run(act()) == ["", "", ""]
