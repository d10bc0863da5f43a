# SPDX-License-Identifier: ISC
"""The aiosmtpd sensor, with real aiosmtpd servers on loopback."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller, UnixSocketController
from aiosmtpd.smtp import AuthResult, LoginPassword

from filter_ban.client import key_text
from filter_ban.config import Config, parse_config
from filter_ban.engine.outbox import Outbox
from filter_ban.model import Answer, Kind
from filter_ban.sensors.aiosmtpd import EmbeddedGuard, GuardedSMTP

RIGHT = "right-password"
BOUND_S = 10.0
OPEN = "[never]\nown_addresses = false\n"
GUESSER, NEIGHBOUR = "127.0.0.66", "127.0.0.10"
HEADER = "PROXY TCP4 192.0.2.7 192.0.2.1 4711 25"


class Mailbox:
    """A handler whose users are any name with the right password; it knows a mechanism of its own."""

    def __init__(self) -> None:
        self.checked: list[str] = []

    def authenticate(
        self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any
    ) -> AuthResult:
        """Check a password; some make trouble."""
        assert isinstance(data, LoginPassword)
        password = data.password.decode()
        self.checked.append(password)
        if password == "crash":
            raise RuntimeError("the user database is gone")
        if password == "tempfail":
            return AuthResult(success=False, handled=False, message="454 4.7.0 Temporary failure")
        return AuthResult(success=password == RIGHT, handled=False, auth_data=data)

    async def auth_XTOKEN(self, _server: Any, args: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd finds it by this name
        """Decide on a mechanism of our own."""
        return AuthResult(success=args[1] == "good", handled=False)

    async def handle_PROXY(self, _server: Any, _session: Any, _envelope: Any, _data: Any) -> bool:  # noqa: N802 - aiosmtpd finds it by this name
        """Accept any proxy."""
        return True

    async def handle_DATA(self, _server: Any, _session: Any, _envelope: Any) -> str:  # noqa: N802 - aiosmtpd finds it by this name
        """Accept any mail."""
        return "250 accepted"


class Line:
    """A connection whose replies are read one by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def reply(self) -> str:
        """Return the code of the next reply, "" at the end of the connection."""
        return (await self.text())[:3]

    async def text(self) -> str:
        """Return the last line of the next reply."""
        async with asyncio.timeout(BOUND_S):
            while (line := await self.reader.readline())[3:4] == b"-":
                pass
        return line.decode().rstrip()

    async def say(self, line: str) -> str:
        """Send a line; return the code of its reply."""
        self.writer.write(f"{line}\r\n".encode())
        return await self.reply()

    async def talk(self, *lines: str) -> list[str]:
        """Send lines one by one; return the codes."""
        return [await self.say(line) for line in lines]


class Stage:
    """A guarded server on a free port, and a clock that stands still."""

    def __init__(self, config: str = OPEN, **options: Any) -> None:
        self.now_s = 1_763_690_000.0
        self.effects: list[Outbox] = []
        self.guard = EmbeddedGuard(
            parse_config(config), clock=lambda: self.now_s, on_effects=self.effects.append
        )
        self.mailbox = Mailbox()
        self.options = {"authenticator": self.mailbox.authenticate, "auth_require_tls": False, **options}

    @property
    def strikes(self) -> list[tuple[str, Kind, str]]:
        """Client, kind and user of what counted."""
        return [(key_text(s.client), s.kind, s.user) for outbox in self.effects for s in outbox.strikes]

    @property
    def bans(self) -> list[str]:
        """Clients, in the order in which they were banned."""
        return [key_text(ban.client) for outbox in self.effects for ban in outbox.bans]

    def protocol(self) -> GuardedSMTP:
        """Return the protocol of a new connection."""
        return self.guard.smtp(self.mailbox, **self.options)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Stage"]:
        """Serve on a free port."""
        server = await asyncio.get_running_loop().create_server(self.protocol, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    @contextlib.asynccontextmanager
    async def line(self, source: str = GUESSER) -> AsyncIterator[Line]:
        """Connect."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))
        try:
            yield Line(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    @contextlib.asynccontextmanager
    async def greeted(self, source: str = GUESSER) -> AsyncIterator[Line]:
        """Connect and say EHLO."""
        async with self.line(source) as line:
            assert await line.reply() == "220"
            assert await line.say("EHLO client.example") == "250"
            yield line

    async def guess(self, *passwords: str, source: str = GUESSER) -> list[str]:
        """Try passwords for alice on one connection; return the codes."""
        async with self.greeted(source) as line:
            return await line.talk(*map(plain, passwords))


Act = Callable[[Stage], Coroutine[Any, Any, None]]


def play(act: Act, stage: Stage | None = None) -> Stage:
    """Run *act* with a server."""
    stage = stage or Stage()

    async def run() -> None:
        async with stage.serving():
            await act(stage)

    asyncio.run(run())
    return stage


def coded(text: str) -> str:
    """Return base64."""
    return b64encode(text.encode()).decode()


def plain(password: str, user: str = "alice") -> str:
    """Return AUTH PLAIN with an initial response."""
    return "AUTH PLAIN " + coded(f"\0{user}\0{password}")


def guesses(count: int) -> list[str]:
    """Return different wrong passwords."""
    return [f"guess-{number}" for number in range(count)]


async def until(happened: Callable[[], bool]) -> None:
    """Let the loop run until something happened."""
    async with asyncio.timeout(BOUND_S):
        while not happened():  # noqa: ASYNC110 - what happens is not ours to announce
            await asyncio.sleep(0)


# --- what counts

FAIL, ABORT = Kind.AUTH_FAIL, Kind.AUTH_ABORT
EHLO = ("EHLO client.example", "250")
DIALOGUES: dict[str, tuple[list[tuple[str, str]], list[tuple[Kind, str]]]] = {
    "wrong password": ([EHLO, (plain("wrong"), "535")], [(FAIL, "alice")]),
    "wrong password, asked for": (
        [EHLO, ("AUTH PLAIN", "334"), (coded("\0bob\0wrong"), "535")],
        [(FAIL, "bob")],
    ),
    "wrong password by LOGIN": (
        [EHLO, ("AUTH LOGIN", "334"), (coded("bob"), "334"), (coded("wrong"), "535")],
        [(FAIL, "bob")],
    ),
    "right password": ([EHLO, (plain(RIGHT), "235")], []),
    "cancelled": ([EHLO, ("AUTH PLAIN", "334"), ("*", "501")], [(ABORT, "")]),
    "cancelled at the password": (
        [EHLO, ("AUTH LOGIN " + coded("bob"), "334"), ("*", "501")],
        [(ABORT, "")],
    ),
    "no base64": ([EHLO, ("AUTH PLAIN ???", "501")], [(ABORT, "")]),
    "no password in it": ([EHLO, ("AUTH PLAIN " + coded("bob"), "501")], [(ABORT, "")]),
    "no mechanism": ([EHLO, ("AUTH", "501")], [(ABORT, "")]),
    "too many words": ([EHLO, ("AUTH PLAIN a b c", "501")], [(ABORT, "")]),
    "unknown mechanism": ([EHLO, ("AUTH NTLM", "504")], [(ABORT, "")]),
    "not offered after HELO": ([("HELO client.example", "250"), (plain("wrong"), "500")], [(ABORT, "")]),
    "before EHLO": ([(plain("wrong"), "503")], []),
    "a second login": ([EHLO, (plain(RIGHT), "235"), (plain("wrong"), "503")], []),
    "our own temporary trouble": ([EHLO, (plain("tempfail"), "454")], []),
    "our own fault": ([EHLO, (plain("crash"), "500")], []),
    "a mechanism of the handler's": (
        [EHLO, ("AUTH XTOKEN bad", "535"), ("AUTH XTOKEN good", "235")],
        [(FAIL, "")],
    ),
    "binary user name": (
        [EHLO, ("AUTH PLAIN " + b64encode(b"\0\xff\xfe\0wrong").decode(), "535")],
        [(FAIL, "\\xff\\xfe")],
    ),
    "everything but AUTH": (
        [("HELP", "250"), EHLO, ("MAIL FROM:<a@example.org>", "250"), ("RSET", "250"), ("NOOP", "250")],
        [],
    ),
}


@pytest.mark.parametrize(("dialogue", "counted"), DIALOGUES.values(), ids=DIALOGUES.keys())
def test_dialogue(dialogue: list[tuple[str, str]], counted: list[tuple[Kind, str]]) -> None:
    """Each dialogue gets aiosmtpd's own replies, and counts what the client did wrong and nothing else."""

    async def act(stage: Stage) -> None:
        async with stage.line() as line:
            assert await line.reply() == "220"
            assert [code for _, code in dialogue] == await line.talk(*(command for command, _ in dialogue))

    assert [(GUESSER, kind, user) for kind, user in counted] == play(act).strikes


def test_auth_handler_hook() -> None:
    """An AUTH that the handler's own hook refuses is a failed login, of a user that is not visible."""

    class Hooked(Mailbox):
        async def handle_AUTH(self, *_: Any) -> str:  # noqa: N802 - aiosmtpd finds it by this name
            """Refuse everybody."""
            return "535 5.7.8 No"

    async def act(stage: Stage) -> None:
        stage.mailbox = Hooked()
        await stage.guess("wrong")

    assert play(act).strikes == [(GUESSER, FAIL, "")]


def test_needs_tls() -> None:
    """An AUTH in plain text that was not offered counts as broken off."""

    async def act(stage: Stage) -> None:
        assert await stage.guess(RIGHT) == ["538"]

    assert play(act, Stage(auth_require_tls=True)).strikes == [(GUESSER, ABORT, "")]


def test_dropped_auth() -> None:
    """A client that leaves in the midst of AUTH has broken it off; one that leaves elsewhere has not."""

    async def act(stage: Stage) -> None:
        async with stage.greeted():
            pass
        async with stage.greeted() as line:
            await line.say("AUTH LOGIN")
        await until(lambda: bool(stage.strikes))

    assert play(act).strikes == [(GUESSER, ABORT, "")]


def test_auth_callback() -> None:
    """The older way of aiosmtpd to check passwords is counted too."""

    async def act(stage: Stage) -> None:
        assert await stage.guess("wrong", RIGHT) == ["535", "235"]

    stage = Stage(
        authenticator=None, auth_callback=lambda _mechanism, _user, password: password == RIGHT.encode()
    )
    assert play(act, stage).strikes == [(GUESSER, FAIL, "alice")]


def test_long_name() -> None:
    """A user name is cut to 255 characters."""

    async def act(stage: Stage) -> None:
        async with stage.greeted() as line:
            await line.talk("AUTH LOGIN", coded("x" * 500), coded("wrong"))

    assert play(act).strikes == [(GUESSER, FAIL, "x" * 255)]


def test_help() -> None:
    """HELP still lists the commands that are guarded."""

    async def act(stage: Stage) -> None:
        async with stage.line() as line:
            await line.reply()
            line.writer.write(b"HELP\r\n")
            assert {"AUTH", "MAIL"} <= set((await line.text()).split())

    play(act)


def test_service() -> None:
    """A strike names the address and port that were connected to."""

    async def act(stage: Stage) -> None:
        await stage.guess("wrong")
        assert f"127.0.0.1:{stage.port}" == stage.effects[0].strikes[0].service

    play(act)


def test_secrets_stay_here() -> None:
    """No password is in what is handed on, nor anywhere in the engine."""

    async def act(stage: Stage) -> None:
        await stage.guess("hunter2-guess")
        assert "hunter2" not in repr(stage.effects)
        assert "hunter2" not in repr([vars(stage.guard.engine), vars(stage.guard)])

    play(act)


# --- who is banned, and what it is told


def test_guesser_is_banned() -> None:
    """After 5 different passwords the right one is refused with 421, in the open session and before the next greeting."""

    async def act(stage: Stage) -> None:
        async with stage.greeted() as line:
            assert await line.talk(*map(plain, guesses(5))) == ["535"] * 5
            line.writer.write(f"{plain(RIGHT)}\r\n".encode())
            told = await line.text()
            assert told.startswith(
                "421 4.7.0 127.0.0.66 refused until 2025-11-21 02:09 UTC after 5 failed logins"
            )
            assert await line.reply() == ""
        async with stage.line() as again:
            assert told == await again.text()
            assert await again.reply() == ""

    stage = play(act)
    assert stage.bans == [GUESSER]
    assert guesses(5) == stage.mailbox.checked


def test_neighbour_notices_nothing() -> None:
    """Another client logs in and sends mail while one is banned."""

    async def act(stage: Stage) -> None:
        await stage.guess(*guesses(5))
        async with stage.greeted(NEIGHBOUR) as line:
            codes = await line.talk(
                plain(RIGHT), "MAIL FROM:<a@example.org>", "RCPT TO:<b@example.org>", "DATA", "."
            )
            assert codes == ["235", "250", "250", "354", "250"]

    assert play(act).bans == [GUESSER]


def test_pipelined_guesses() -> None:
    """Guesses sent without waiting are counted one by one; none is checked after the ban."""

    async def act(stage: Stage) -> None:
        async with stage.greeted() as line:
            line.writer.write("".join(f"{plain(guess)}\r\n" for guess in guesses(20)).encode())
            assert [await line.reply() for _ in range(7)] == ["535"] * 5 + ["421", ""]

    assert guesses(5) == play(act).mailbox.checked


def test_ban_during_login() -> None:
    """A session that was asked for its password when the ban fell is refused, and the password is not checked."""

    async def act(stage: Stage) -> None:
        async with stage.greeted() as inside:
            await inside.talk("AUTH LOGIN", coded("alice"))
            await stage.guess(*guesses(5))
            assert await inside.say(coded(RIGHT)) == "421"
            assert await inside.reply() == ""

    stage = play(act)
    assert RIGHT not in stage.mailbox.checked
    assert len(stage.strikes) == 5


def test_mail_of_a_banned_client() -> None:
    """A session that was logged in before the ban is refused at MAIL."""

    async def act(stage: Stage) -> None:
        async with stage.greeted() as inside:
            await inside.say(plain(RIGHT))
            async with stage.greeted() as outside:
                await outside.talk(*(plain(password, "bob") for password in guesses(5)))
            assert await inside.talk("NOOP", "MAIL FROM:<a@example.org>") + [await inside.reply()] == [
                "250",
                "421",
                "",
            ]

    play(act)


def test_refusal_that_stays() -> None:
    """With a 5xx reply the session goes on, as SMTP has it; at connection the server hangs up all the same."""

    async def act(stage: Stage) -> None:
        async with stage.greeted() as line:
            codes = await line.talk(*map(plain, guesses(6)), "MAIL FROM:<a@example.org>", "QUIT")
            assert codes == ["535"] * 5 + ["550", "550", "221"]
        async with stage.line() as again:
            assert [await again.reply(), await again.reply()] == ["550", ""]

    play(act, Stage(OPEN + '[reply]\nbanned = "550 5.7.1 {client} refused, reference {ref}"\n'))


def test_phone_with_an_old_password() -> None:
    """The same wrong password, by whatever mechanism, is one strike however often it comes."""

    async def act(stage: Stage) -> None:
        for _ in range(10):
            await stage.guess("old")
            async with stage.greeted() as line:
                await line.talk("AUTH LOGIN", coded("alice"), coded("old"))
        assert await stage.guess(RIGHT) == ["235"]

    stage = play(act)
    assert stage.strikes == [(GUESSER, FAIL, "alice")]
    assert stage.bans == []


def test_success_forgives() -> None:
    """A login takes back the strikes of its user, and says so."""

    async def act(stage: Stage) -> None:
        for _ in range(3):
            await stage.guess(*guesses(4), RIGHT)

    stage = play(act)
    assert stage.bans == []
    assert sum(len(outbox.forgiven) for outbox in stage.effects) == 3


def test_watch() -> None:
    """In mode watch bans are decided and nobody is refused."""

    async def act(stage: Stage) -> None:
        assert await stage.guess(*guesses(9), RIGHT) == ["535"] * 9 + ["235"]

    assert play(act, Stage(f'mode = "watch"\n{OPEN}')).bans == [GUESSER]


@pytest.mark.parametrize(
    "config", ["", OPEN + 'networks = ["127.0.0.64/26"]\n'], ids=["loopback", "networks"]
)
def test_never(config: str) -> None:
    """Clients on the never-list are neither counted nor refused; loopback is one unless the configuration says else."""

    async def act(stage: Stage) -> None:
        assert await stage.guess(*guesses(9), RIGHT) == ["535"] * 9 + ["235"]

    assert play(act, Stage(config)).effects == []


def test_ban_ends() -> None:
    """When its time is over a client is let in again, and the next ban is longer."""

    async def act(stage: Stage) -> None:
        await stage.guess(*guesses(5))
        stage.now_s += 15 * 60
        assert await stage.guess(RIGHT) == ["235"]
        async with stage.greeted() as line:
            await line.talk(*(plain(guess, "bob") for guess in guesses(5)))

    lengths = [
        ban.end_s - ban.start_s
        for outbox in play(act).effects
        for ban in outbox.bans
        if ban.end_s is not None
    ]
    assert lengths == [15 * 60, 2 * 3600]


# --- other ways in


def test_proxy() -> None:
    """Behind a proxy the client of the PROXY header is counted and turned away, not the proxy."""

    async def act(stage: Stage) -> None:
        async with stage.line() as line:
            line.writer.write(f"{HEADER}\r\n".encode())
            assert [await line.reply(), await line.say("EHLO client.example")] == ["220", "250"]
            assert await line.talk(*map(plain, guesses(6))) == ["535"] * 5 + ["421"]
        async with stage.line() as again:
            assert [await again.say(HEADER), await again.reply()] == ["421", ""]
        async with stage.line() as other:
            assert await other.say(HEADER.replace("192.0.2.7", "192.0.2.8")) == "220"

    assert play(act, Stage(proxy_protocol_timeout=5)).bans == ["192.0.2.7"]


def test_proxy_without_client() -> None:
    """A PROXY header that names no client is nobody's fault."""

    async def act(stage: Stage) -> None:
        async with stage.line() as line:
            assert await line.talk("PROXY UNKNOWN", "EHLO client.example") == ["220", "250"]
            assert await line.talk(*map(plain, guesses(9))) == ["535"] * 9

    assert play(act, Stage(proxy_protocol_timeout=5)).effects == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate of its own."""
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    request = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=mx.example",
        "-days",
        "2",
    ]
    subprocess.run([*request, "-keyout", file, "-out", file], check=True, capture_output=True)
    return file


def test_starttls(certificate: Path) -> None:
    """After STARTTLS the client is still known, counted and refused."""
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(certificate)
    client_tls = ssl.create_default_context(cafile=certificate)

    async def act(stage: Stage) -> None:
        async with stage.greeted() as line:
            assert await line.say("STARTTLS") == "220"
            await line.writer.start_tls(client_tls, server_hostname="mx.example")
            assert await line.say("EHLO client.example") == "250"
            assert await line.talk(*map(plain, guesses(6))) == ["535"] * 5 + ["421"]

    assert play(act, Stage(tls_context=server_tls, auth_require_tls=True)).bans == [GUESSER]


def test_unix_socket(tmp_path: Path) -> None:
    """Clients of a unix socket are nobody's fault."""
    stage = Stage()

    class Guarded(UnixSocketController):
        def factory(self) -> GuardedSMTP:
            return stage.protocol()

    controller = Guarded(stage.mailbox, str(tmp_path / "smtp.sock"))
    controller.start()
    try:
        with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rwb") as file:
            connection.settimeout(BOUND_S)
            connection.connect(controller.unix_socket)
            commands = ["EHLO client.example", *map(plain, guesses(9)), plain(RIGHT), "QUIT"]
            file.write("".join(f"{command}\r\n" for command in commands).encode())
            file.flush()
            replies = [line[:3].decode() for line in file if line[3:4] != b"-"]
    finally:
        controller.stop()
    assert replies == ["220", "250"] + ["535"] * 9 + ["235", "221"]
    assert stage.effects == []


def test_controllers_in_threads() -> None:
    """Two of aiosmtpd's own controllers, each with a thread, share one guard: their failures are added up."""
    guard = EmbeddedGuard(parse_config(OPEN))
    mailbox = Mailbox()

    class Guarded(Controller):
        def factory(self) -> GuardedSMTP:
            return guard.smtp(self.handler, **self.SMTP_kwargs)

    def start() -> Controller:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        controller = Guarded(
            mailbox, "127.0.0.1", port, authenticator=mailbox.authenticate, auth_require_tls=False
        )
        controller.start()
        return controller

    def try_out(controller: Controller, *passwords: str) -> list[str]:
        with (
            socket.create_connection(
                ("127.0.0.1", controller.port), BOUND_S, source_address=(GUESSER, 0)
            ) as connection,
            connection.makefile("rwb") as file,
        ):
            codes = [file.readline()[:3].decode()]
            for command in ["EHLO client.example", *map(plain, passwords)]:
                if codes[-1] in ("421", ""):
                    break
                file.write(f"{command}\r\n".encode())
                file.flush()
                while (line := file.readline())[3:4] == b"-":
                    pass
                codes.append(line[:3].decode())
            return codes

    controllers = [start(), start()]
    try:
        assert try_out(controllers[0], *guesses(3)) == ["220", "250"] + ["535"] * 3
        assert try_out(controllers[1], "a", "b", RIGHT) == ["220", "250"] + ["535"] * 2 + ["421"]
        assert try_out(controllers[0]) == ["421"]
    finally:
        for controller in controllers:
            controller.stop()


# --- the guard by itself


def test_effects_are_handed_on_once() -> None:
    """Each decision reaches the callback once, and nothing is left behind in the engine."""
    effects: list[Outbox] = []
    guard = EmbeddedGuard(parse_config(""), on_effects=effects.append)
    for secret in (b"a", b"b", b"b"):
        guard.strike(FAIL, "192.0.2.7", user="alice", secret=secret)
    assert [len(outbox.strikes) for outbox in effects] == [1, 1]
    assert not guard.engine.outbox


def test_text_that_is_no_address() -> None:
    """What is no address is allowed, and never counted."""
    guard = EmbeddedGuard(Config())
    for _ in range(9):
        guard.strike(FAIL, "no address", user="alice")
        guard.success("no address", user="alice")
    assert Answer.ALLOW is guard.verdict("no address").answer
    assert len(guard.engine) == 0


def test_real_clock() -> None:
    """Without a clock of one's own, times are Unix seconds."""
    effects: list[Outbox] = []
    guard = EmbeddedGuard(Config(), on_effects=effects.append)
    before_s = time.time()
    guard.strike(FAIL, "192.0.2.7")
    assert before_s <= effects[0].strikes[0].time_s <= time.time()
