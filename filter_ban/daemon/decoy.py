# SPDX-License-Identifier: ISC
"""
The decoy listener: an SMTP server that offers AUTH, refuses it always, and takes no mail.

aiosmtpd reads the commands; what becomes of an AUTH is the sensor's. Everything that a client can spend here is bounded:
sessions, their time, what they send, and what they are sent. aiosmtpd's log is silenced in this process: it quotes clients.

Sources: RFC 5321; aiosmtpd 1.4.4 to 1.4.6, ``smtp.py``.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable
from typing import AnyStr, Final, cast

from aiosmtpd.smtp import SMTP, syntax

from filter_ban.logline import fact
from filter_ban.metrics import Histogram
from filter_ban.model import Answer, Verdict
from filter_ban.sensors.decoy import MECHANISMS, Attempt, DecoySensor

_log = logging.getLogger(__name__)

SESSION_S: Final = 60.0
IDLE_S: Final = 20.0  # from one command to the next; an AUTH with its questions is one
MAX_SESSIONS: Final = 200
MAX_INPUT_BYTES: Final = 16 << 10  # of a session; RFC 4954, 4 wants room for 12,288 in one line
MAX_REPLIES: Final = (
    60  # of a session: what it may make us say, and the commands that it may send in one piece
)
MAX_ATTEMPTS: Final = 10  # of a session

_KEYWORDS: Final = (
    "PIPELINING",
    "SIZE 10240000",
    f"AUTH {' '.join(MECHANISMS)}",
    "ENHANCEDSTATUSCODES",
    "8BITMIME",
    "SMTPUTF8",
)
_TOO_MANY: Final = "421 4.7.0 Error: too many errors"


class DecoyServer:
    """
    Serves guessers; create it within the loop that runs it.

    Args:
        sensor: Counts and decides.
        settle: Called after each attempt: hands on what the engine decided.
        host_name: What it calls itself; not empty.
        took_s: Gets how long each verdict took; None: nothing is measured.

    """

    def __init__(
        self,
        sensor: DecoySensor,
        settle: Callable[[], None],
        host_name: str,
        took_s: Histogram | None = None,
    ) -> None:
        self.sensor = sensor
        self._took_s = took_s
        self.host_name = host_name
        self._settle = settle
        self._sessions: dict[_Session, None] = {}  # oldest first
        logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)

    def factory(self) -> asyncio.Protocol:
        """Return the protocol of one more connection, as ``loop.create_server`` asks for it."""
        return _Session(self)

    async def close(self) -> None:
        """Close all connections; attempts under way are counted."""
        ending = [session.drop() for session in list(self._sessions)]
        if ending:
            await asyncio.wait(ending)

    def opened(self, session: "_Session") -> None:
        """Take in a session; the oldest makes room for it."""
        if len(self._sessions) >= MAX_SESSIONS:
            next(iter(self._sessions)).drop()
        self._sessions[session] = None

    def closed(self, session: "_Session") -> None:
        """Forget a session."""
        self._sessions.pop(session, None)

    def verdict(self, address: str) -> Verdict:
        """Decide on the client at *address* when it connects."""
        if self._took_s is None:
            return self.sensor.verdict(address)
        begun_s = time.perf_counter()
        verdict = self.sensor.verdict(address)
        self._took_s.observe(time.perf_counter() - begun_s)
        return verdict

    def attempted(self, address: str, user: str) -> None:
        """Count an attempt."""
        self.sensor.attempted(address, user)
        self._settle()


class _Session(SMTP):
    """aiosmtpd's side of a connection, with limits of our own."""

    line_length_limit = MAX_INPUT_BYTES  # a line may be all that a session sends
    command_size_limit = MAX_INPUT_BYTES
    command_size_limits = defaultdict(lambda: MAX_INPUT_BYTES)  # noqa: RUF012 - aiosmtpd's, changed by it

    def __init__(self, server: DecoyServer) -> None:
        super().__init__(
            None,
            hostname=server.host_name,
            ident="ESMTP",
            timeout=IDLE_S,
            enable_SMTPUTF8=True,  # else an AUTH with anything but ASCII would not arrive
            auth_require_tls=False,
            loop=asyncio.get_running_loop(),
        )
        self._server = server
        self._address = ""
        self._input_bytes = 0
        self._replies = 0
        self._attempts = 0

    # --- connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a session."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if isinstance(peer, tuple) else ""
        self._wire = cast("asyncio.Transport", transport)
        assert self._handler_coroutine is not None
        self._dialogue = self._handler_coroutine
        self._deadline = self.loop.call_later(SESSION_S, self.drop)
        self._server.opened(self)

    def data_received(self, data: bytes) -> None:
        """Take what there is room for, and hang up at the rest."""
        taken = data[: MAX_INPUT_BYTES - self._input_bytes]
        self._input_bytes += len(taken)
        super().data_received(taken)
        if len(taken) < len(data):
            self.loop.call_soon(self.drop)  # after the dialogue's turn: commands that came whole are heard

    def connection_lost(self, error: Exception | None) -> None:
        """End the session."""
        super().connection_lost(error)
        self._deadline.cancel()
        self._server.closed(self)
        self._dialogue.add_done_callback(self._take_apart)

    def drop(self) -> "asyncio.Task[None]":
        """Close the connection at once; return what is done when all has been counted."""
        self._server.closed(self)
        self._wire.abort()
        return self._dialogue

    def _take_apart(self, _dialogue: "asyncio.Task[None]") -> None:
        """Break aiosmtpd's reference cycles: those that grow old are never collected, see ``garbage``."""
        for name in vars(self).keys() - {"_closed"}:  # wanted by its destructor
            delattr(self, name)

    # --- dialogue

    async def _handle_client(self) -> None:
        try:
            verdict = self._server.verdict(self._address)
            if verdict.answer is Answer.ALLOW:
                await super()._handle_client()
            else:
                await self.push(verdict.text)
        except ConnectionError:
            pass  # gone, or sent away
        finally:
            self._writer.close()

    async def push(self, status: AnyStr) -> None:
        """Send a reply, up to the limit."""
        self._replies += 1
        if self._replies > MAX_REPLIES:
            await self._send_away()
        await super().push(status)

    async def _send_away(self) -> None:
        await super().push(_TOO_MANY)
        raise ConnectionResetError  # the one error that aiosmtpd takes for the end

    async def handle_exception(self, error: Exception) -> str:
        """Log a fault in this program, without quoting what the client sent."""
        _log.error(fact("decoy-failed", error=type(error).__name__))
        return "451 4.3.0 Error: local problem"

    @syntax("EHLO hostname")
    async def smtp_EHLO(self, hostname: str | None) -> None:  # noqa: N802 - aiosmtpd finds it by this name
        """Offer AUTH among what servers offer."""
        if not hostname:
            await self.push("501 5.5.4 Syntax: EHLO hostname")
            return
        lines = [f"250-{line}" for line in (self.hostname, *_KEYWORDS[:-1])]
        await self.push("\r\n".join((*lines, f"250 {_KEYWORDS[-1]}")))

    @syntax("AUTH <mechanism>")
    async def smtp_AUTH(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd finds it by this name
        """Refuse, and count: once, however it ends."""
        attempt = Attempt(arg or "")
        try:
            while attempt.question:
                await self.push(attempt.question)
                attempt.receive(await self._reader.readline())
        finally:
            self._server.attempted(self._address, attempt.user)
        await self.push(attempt.reply)
        self._attempts += 1
        if self._attempts >= MAX_ATTEMPTS:
            await self._send_away()

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: ARG002, N802 - aiosmtpd finds it by this name
        """Take no mail, and tell nothing."""
        await self.push("530 5.7.0 Authentication required")

    smtp_RCPT = smtp_DATA = smtp_VRFY = smtp_EXPN = smtp_MAIL  # noqa: N815 - as above
