# SPDX-License-Identifier: ISC
"""The actors' mail program: just enough SMTP to log in and to send a mail, from a chosen address."""

import asyncio
import contextlib
from base64 import b64encode
from typing import Final, Self

REPLY_TIMEOUT_S: Final = 10.0  # a bound, never reached on loopback


class SmtpClient:
    """One connection; ``greeting`` is the server's first reply, "" if it hung up. Leave it to close it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.greeting = ""
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, server: tuple[str, int], source: str) -> Self:
        """Return a connection from the address *source*, greeted and introduced unless the server refused."""
        reader, writer = await asyncio.open_connection(*server, local_addr=(source, 0))
        client = cls(reader, writer)
        client.greeting = await client._reply()
        if client.greeting.startswith("220"):
            await client.command("EHLO demo.example")
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def command(self, line: str) -> str:
        """Send a line; return the last line of the reply, "" if the server hung up."""
        self._writer.write(line.encode() + b"\r\n")
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
        return await self._reply()

    async def login(self, user: str, password: str) -> str:
        """Return the reply to AUTH PLAIN with an initial response."""
        response = b64encode(f"\0{user}\0{password}".encode()).decode()
        return await self.command(f"AUTH PLAIN {response}")

    async def send_mail(self, sender: str, recipient: str) -> str:
        """Send a mail of one line; return the reply that ended it."""
        reply = ""
        for line, good in (
            (f"MAIL FROM:<{sender}>", "250"),
            (f"RCPT TO:<{recipient}>", "250"),
            ("DATA", "354"),
            ("Subject: hello\r\n\r\nhello\r\n.", "250"),
        ):
            reply = await self.command(line)
            if not reply.startswith(good):
                break
        return reply

    async def _reply(self) -> str:
        line = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                while (line := await self._reader.readline())[3:4] == b"-":
                    pass
        return line.decode("ascii", "replace").rstrip()
