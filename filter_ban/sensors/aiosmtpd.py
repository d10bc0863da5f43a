# SPDX-License-Identifier: ISC
"""
The aiosmtpd sensor: any aiosmtpd server counts failed logins and refuses who is banned.

aiosmtpd offers handlers no hook at connection, at its end, or where an AUTH goes wrong before there is a password; so
the seam is a subclass of its SMTP class, made by :meth:`Guard.smtp`. In an application, whole::

    guard = EmbeddedGuard(Config())

    class GuardedController(Controller):
        def factory(self):
            return guard.smtp(self.handler, **self.SMTP_kwargs)

    GuardedController(MyHandler(), authenticator=my_authenticator).start()

No disk and no network: what the engine decides is handed on to a callback. Sources: aiosmtpd 1.4.4 to 1.4.6,
``smtp.py``; RFC 4954, 4 and 6 for the replies to AUTH.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from typing import Any, AnyStr, Final

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, LoginPassword, syntax

from filter_ban.client import LOOPBACK
from filter_ban.clients import Clients
from filter_ban.config import Config
from filter_ban.engine import Engine, Policy
from filter_ban.engine.history import NO_SECRET
from filter_ban.engine.outbox import Outbox
from filter_ban.model import Answer, Kind, Verdict
from filter_ban.tags import SecretTags, UserTags
from filter_ban.verdicts import Verdicts

MAX_USER: Final = 255  # RFC 4616, 2; longer names are nobody's
_TAG_KEY_BYTES: Final = 32
_REFUSED_CREDENTIALS: Final = "535"
_ABORTED: Final = frozenset(
    {"500", "501", "504", "538"}
)  # not offered, malformed or cancelled, unknown, needs TLS


def _discard(_outbox: Outbox) -> None:
    """Forget what the engine decided; its own memory is all there is."""


class Guard:
    """
    Judges the clients of any number of aiosmtpd servers, whichever thread they run in.

    Args:
        engine: Counts and decides; its owner lets bans expire. Used under a lock of this guard.
        clients, verdicts, users, secrets: As for the other sensors of this engine.
        clock: Unix seconds.
        on_effects: Gets what the engine decided, at once and in the server's thread; it must not wait.

    """

    def __init__(
        self,
        *,
        engine: Engine,
        clients: Clients,
        verdicts: Verdicts,
        users: UserTags,
        secrets: SecretTags,
        clock: Callable[[], float] = time.time,
        on_effects: Callable[[Outbox], None] = _discard,
    ) -> None:
        self.engine = engine
        self.clients = clients
        self._verdicts = verdicts
        self._users = users
        self._secrets = secrets
        self._clock = clock
        self._on_effects = on_effects
        self._lock = threading.Lock()

    def smtp(self, handler: Any, **options: Any) -> "GuardedSMTP":
        """Return the protocol of one connection, guarded; the arguments are those of ``aiosmtpd.smtp.SMTP``."""
        return GuardedSMTP(self, handler, **options)

    def now_s(self) -> float:
        """Return the time, under the lock, before the engine is asked."""
        return self._clock()

    def verdict(self, address: str) -> Verdict:
        """Return the verdict on the client at *address*; every refusal is one that the client is told."""
        with self._lock:
            self.now_s()
            return self._verdicts.of(self.clients.of(address))

    def strike(
        self, kind: Kind, address: str, *, user: str = "", secret: bytes | None = None, service: str = ""
    ) -> None:
        """
        Count a signal against the client at *address*.

        Args:
            kind: What was seen.
            address: Of the client.
            user: Name that was tried, "" without one.
            secret: Password that was tried, None where it is not visible. Only a keyed hash is kept, in memory.
            service: Address and port that were connected to.

        """
        client = self.clients.of(address)
        if not client:
            return
        user = user[:MAX_USER]
        with self._lock:
            self.engine.strike(
                kind,
                client,
                self.now_s(),
                user=user,
                user_tag=self._users.of(user),
                secret=NO_SECRET if secret is None else self._secrets.of(secret.decode("latin-1")),
                service=service,
            )
        self._hand_on()

    def success(self, address: str, *, user: str) -> None:
        """Credit the client at *address* with a login."""
        client = self.clients.of(address)
        if not client:
            return
        with self._lock:
            self.engine.success(client, self._users.of(user[:MAX_USER]), self.now_s())
        self._hand_on()

    def _hand_on(self) -> None:
        with self._lock:
            outbox = self.engine.outbox
            if not outbox:
                return
            self.engine.outbox = Outbox()
        self._on_effects(outbox)


class EmbeddedGuard(Guard):
    """
    A guard with an engine of its own, for a server without the daemon: bans end with the process.

    Of :class:`Config` it goes by ``mode``, ``limits``, ``weights``, ``ban``, ``never`` and ``reply``. Where
    ``never.own_addresses`` holds, loopback is spared; name other addresses of this machine in ``never.networks``.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Callable[[], float] = time.time,
        on_effects: Callable[[Outbox], None] = _discard,
    ) -> None:
        policy = Policy.compile(config, LOOPBACK if config.never.own_addresses else ())
        engine = Engine(policy)
        super().__init__(
            engine=engine,
            clients=Clients(policy),
            verdicts=Verdicts(engine, config.reply.banned),
            users=UserTags(os.urandom(_TAG_KEY_BYTES)),
            secrets=SecretTags(),
            clock=clock,
            on_effects=on_effects,
        )

    def now_s(self) -> float:
        """Return the time, and let the bans end that are over by now."""
        now_s = super().now_s()
        if self.engine.expire(now_s):
            self.engine.forget_offences(now_s)
        return now_s


class GuardedSMTP(SMTP):
    """
    One connection to a guarded server.

    A banned client is refused at connection, at AUTH, when a password comes after the ban fell (none is checked), and
    at MAIL. Behind a proxy the client is who the PROXY header names.
    """

    def __init__(self, guard: Guard, handler: Any, **options: Any) -> None:
        super().__init__(handler, **options)
        self._guard = guard
        self._address = ""
        self._service = ""
        self._code = ""  # of the last reply
        self._undecided = False  # an AUTH is under way and had no outcome yet
        self._drops = False  # the reply to this AUTH is the last one

    # --- connection

    async def _handle_client(self) -> None:
        assert self.session is not None
        assert self.transport is not None
        self._service = _endpoint(self.transport.get_extra_info("sockname"))
        if self._proxy_timeout is None:
            peer: Any = self.session.peer
            if await self._turned_away(peer[0] if isinstance(peer, tuple) else ""):
                self.transport.close()
                return
        await super()._handle_client()

    async def _call_handler_hook(self, command: str, *args: Any) -> Any:
        status = await super()._call_handler_hook(command, *args)
        if command == "PROXY" and status is not MISSING and status:
            return not await self._turned_away(str(args[0].src_addr or ""))
        return status

    async def _turned_away(self, address: str) -> bool:
        """Remember the client's address; return whether it was told that it is banned."""
        self._address = address
        verdict = self._guard.verdict(address)
        if verdict.answer is Answer.ALLOW:
            return False
        await self.push(verdict.text)
        return True

    async def push(self, status: AnyStr) -> None:
        """Send a reply."""
        code = status[:3]
        self._code = code if isinstance(code, str) else code.decode("ascii", "replace")
        await super().push(status)

    # --- commands

    @syntax("AUTH <mechanism>")
    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802 - aiosmtpd finds it by this name
        """Refuse who is banned; count what comes to no outcome."""
        if await self._refused():
            return
        self._undecided, self._drops, self._code = True, False, ""
        try:
            await super().smtp_AUTH(arg)
        except asyncio.CancelledError:  # the connection is lost
            if self._undecided:
                self._strike(Kind.AUTH_ABORT)
            raise
        if self._drops:
            self._hang_up()
        elif self._undecided:
            self._judge_reply()

    def _authenticate(self, mechanism: str, auth_data: Any) -> AuthResult:
        """Check credentials, unless the client was banned while it was asked for them."""
        self._undecided = False
        verdict = self._guard.verdict(self._address)
        if verdict.answer is not Answer.ALLOW:
            self._drops = verdict.answer is Answer.DROP
            return AuthResult(success=False, handled=False, message=verdict.text)
        result = super()._authenticate(mechanism, auth_data)
        user, secret = _credentials(auth_data)
        if result.success:
            self._guard.success(self._address, user=user)
        elif not (result.message or "").startswith("4"):  # 454 and its like are our own trouble
            self._strike(Kind.AUTH_FAIL, user, secret)
        return result

    def _judge_reply(self) -> None:
        """Count an AUTH that checked no credentials through aiosmtpd, by the reply that ended it."""
        if self._code == _REFUSED_CREDENTIALS:
            self._strike(Kind.AUTH_FAIL)
        elif self._code in _ABORTED:
            self._strike(Kind.AUTH_ABORT)

    @syntax("MAIL FROM: <address>", extended=" [SP <mail-parameters>]")
    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802 - aiosmtpd finds it by this name
        """Refuse who is banned."""
        if not await self._refused():
            await super().smtp_MAIL(arg)

    async def _refused(self) -> bool:
        verdict = self._guard.verdict(self._address)
        if verdict.answer is Answer.ALLOW:
            return False
        await self.push(verdict.text)
        if verdict.answer is Answer.DROP:
            self._hang_up()
        return True

    def _hang_up(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def _strike(self, kind: Kind, user: str = "", secret: bytes | None = None) -> None:
        self._guard.strike(kind, self._address, user=user, secret=secret, service=self._service)


def _credentials(auth_data: Any) -> tuple[str, bytes | None]:
    """Return user name and password, where a mechanism has such."""
    if not isinstance(auth_data, LoginPassword):
        return "", None
    return auth_data.login.decode("utf-8", "backslashreplace"), auth_data.password


def _endpoint(name: Any) -> str:
    """Return a socket's own address and port as smtpd writes them; "" for a unix socket."""
    if not isinstance(name, tuple):
        return ""
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
