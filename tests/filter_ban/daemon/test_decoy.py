# SPDX-License-Identifier: ISC
"""The decoy on loopback: every AUTH is one strike, no mail gets in, and nobody makes it slow or big."""

import asyncio
import contextlib
import gc
import logging
import resource
import socket
import struct
import weakref
from base64 import b64encode
from collections.abc import AsyncIterator, Coroutine, Iterator

import pytest

from filter_ban.daemon import decoy
from filter_ban.daemon.decoy import (
    MAX_ATTEMPTS,
    MAX_INPUT_BYTES,
    MAX_REPLIES,
    MAX_SESSIONS,
    DecoyServer,
)
from filter_ban.model import ALLOWED, Answer, Verdict
from filter_ban.sensors.decoy import DecoySensor

BOT, BANNED = "127.0.0.66", "127.0.0.99"
TOLD = f"421 4.7.0 {BANNED} refused until further notice"
BOUND_S = 20.0
SECRET = "a-secret-password"
PLAIN = "AUTH PLAIN " + b64encode(f"\0alice\0{SECRET}".encode()).decode()
ALICE, WORD = b64encode(b"alice").decode(), b64encode(SECRET.encode()).decode()


class Sensor(DecoySensor):
    """Refuses one client, remembers attempts, and breaks down where a test wants it."""

    def __init__(self) -> None:
        self.attempts: list[tuple[str, str]] = []

    def verdict(self, address: str) -> Verdict:
        """Refuse BANNED."""
        return Verdict(Answer.DROP, TOLD) if address == BANNED else ALLOWED

    def attempted(self, address: str, user: str) -> None:
        """Remember an attempt."""
        if user == "raise":
            raise ZeroDivisionError(user)
        self.attempts.append((address, user))


class Client:
    """A connection to the decoy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send *data*; a server that has hung up is none of the sender's business."""
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await asyncio.wait_for(self.writer.drain(), BOUND_S)

    async def reply(self) -> str:
        """Return the next reply, its lines joined; "" at the end of the connection."""
        lines: list[str] = []
        while not lines or lines[-1][3:4] == "-":
            try:
                lines.append((await asyncio.wait_for(self.reader.readline(), BOUND_S)).decode())
            except ConnectionError:
                return ""
        return "".join(lines)

    async def talk(self, *lines: str) -> list[str]:
        """Send lines one by one; return the codes of the replies."""
        codes = []
        for line in lines:
            await self.send(f"{line}\r\n".encode())
            codes.append((await self.reply())[:3])
        return codes

    async def ended(self) -> bytes:
        """Return what is left to read before the server closes."""
        received = b""
        with contextlib.suppress(ConnectionError):
            while data := await asyncio.wait_for(self.reader.read(1 << 16), BOUND_S):
                received += data
        return received

    def reset(self) -> None:
        """Vanish without a farewell."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Rig:
    """A decoy on loopback."""

    def __init__(self) -> None:
        self.sensor = Sensor()
        self.settled = 0
        self.server = DecoyServer(self.sensor, self.settle, "mail.example.org")
        self.protocols: weakref.WeakSet[asyncio.Protocol] = weakref.WeakSet()
        self.port = 0

    def settle(self) -> None:
        """Count the calls."""
        self.settled += 1

    def factory(self) -> asyncio.Protocol:
        """Return a protocol, and watch what becomes of it."""
        protocol = self.server.factory()
        self.protocols.add(protocol)
        return protocol

    @property
    def users(self) -> list[str]:
        """Whom BOT tried to be."""
        return [user for address, user in self.sensor.attempts if address == BOT]

    @contextlib.asynccontextmanager
    async def client(self, address: str = BOT) -> AsyncIterator[Client]:
        """Connect from *address*."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))
        try:
            yield Client(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Client]:
        """Connect, and get as far as a client that will try to log in."""
        async with self.client() as client:
            assert await client.reply() == "220 mail.example.org ESMTP\r\n"
            assert await client.talk("EHLO bot") == ["250"]
            yield client

    async def is_serving(self) -> bool:
        """Return whether a new client is served and counted."""
        before = len(self.sensor.attempts)
        async with self.session() as client:
            return await client.talk(PLAIN) == ["535"] and len(self.sensor.attempts) == before + 1

    async def emptied(self) -> None:
        """Wait until no session is left."""
        async with asyncio.timeout(BOUND_S):
            while self.server._sessions or self.protocols:  # noqa: ASYNC110 - that an object is freed is no event
                await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Rig]:
    """Serve until the end of the block."""
    rig = Rig()
    listener = await asyncio.get_running_loop().create_server(rig.factory, "127.0.0.1", 0, backlog=512)
    rig.port = listener.sockets[0].getsockname()[1]
    try:
        yield rig
    finally:
        listener.close()
        await rig.server.close()


def run(test: Coroutine[None, None, None]) -> None:
    """Run a test within its bound."""
    asyncio.run(asyncio.wait_for(test, 3 * BOUND_S))


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a client does, nothing is logged of it, and no traceback."""
    level = logging.getLogger("mail.log").level
    caplog.set_level(logging.INFO)
    yield
    gc.collect()
    logging.getLogger("mail.log").setLevel(level)
    for record in caplog.get_records("call"):
        assert record.exc_info is None, record.getMessage()
        assert record.message.startswith("decoy-failed"), record.message


@pytest.mark.parametrize(
    ("lines", "codes", "user"),
    [
        ([PLAIN], ["535"], "alice"),
        ([PLAIN.lower()[:10] + PLAIN[10:]], ["535"], "alice"),
        (["AUTH PLAIN", PLAIN[11:]], ["334", "535"], "alice"),
        (["AUTH LOGIN", ALICE, WORD], ["334", "334", "535"], "alice"),
        ([f"AUTH LOGIN {ALICE}", WORD], ["334", "535"], "alice"),
        (["AUTH LOGIN", ALICE, "*"], ["334", "334", "501"], "alice"),
        (["AUTH LOGIN", "*"], ["334", "501"], ""),
        (["AUTH PLAIN", "*"], ["334", "501"], ""),
        (["AUTH PLAIN", "%%%"], ["334", "501"], ""),
        (["AUTH PLAIN %%%"], ["501"], ""),
        (["AUTH PLAIN gr\u00fcn"], ["501"], ""),
        ([f"AUTH PLAIN {'A' * 12_000}"], ["535"], ""),
        ([f"AUTH LOGIN {ALICE}", "A" * 12_000], ["334", "535"], "alice"),
        (["AUTH CRAM-MD5"], ["504"], ""),
        (["AUTH"], ["501"], ""),
        (["RSET", "HELO bot", PLAIN], ["250", "250", "535"], "alice"),
    ],
)
def test_each_auth_is_one_strike(lines: list[str], codes: list[str], user: str) -> None:
    """It is refused and counted once, with the user if it came to that; the session goes on."""

    async def test() -> None:
        async with serving() as rig, rig.session() as client:
            assert codes == await client.talk(*lines)
            assert rig.sensor.attempts == [(BOT, user)]
            assert rig.settled == 1
            assert await client.talk("NOOP", "QUIT") == ["250", "221"]
            assert await client.ended() == b""
            assert rig.settled == 1

    run(test())


@pytest.mark.parametrize(
    ("lines", "users"),
    [
        ([], []),
        (["AUTH PLAIN"], [""]),
        (["AUTH LOGIN"], [""]),
        (["AUTH LOGIN", ALICE], ["alice"]),
        ([f"AUTH LOGIN {ALICE}"], ["alice"]),
        ([PLAIN, "AUTH LOGIN"], ["alice", ""]),
    ],
)
@pytest.mark.parametrize("ending", ["close", "reset", "server"])
def test_who_leaves_in_the_middle_is_counted(lines: list[str], users: list[str], ending: str) -> None:
    """An AUTH that comes to no end is a strike too."""

    async def test() -> None:
        async with serving() as rig:
            async with rig.session() as client:
                await client.talk(*lines)
                if ending == "reset":
                    client.reset()
                elif ending == "server":
                    await rig.server.close()
            await rig.emptied()
            assert users == rig.users

    run(test())


def test_ehlo() -> None:
    """AUTH is offered without TLS, among what servers offer; STARTTLS and CRAM-MD5 are not."""

    async def test() -> None:
        async with serving() as rig, rig.client() as client:
            await client.reply()
            await client.send(b"EHLO bot\r\n")
            assert await client.reply() == (
                "250-mail.example.org\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-AUTH PLAIN LOGIN\r\n"
                "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
            )
            assert await client.talk("EHLO", "STARTTLS") == ["501", "454"]
            assert rig.sensor.attempts == []

    run(test())


def test_no_mail() -> None:
    """Whatever a client sends or asks for, before or after an AUTH, it is to log in first."""
    commands = (
        "MAIL FROM:<a@example.org> SMTPUTF8",
        "RCPT TO:<b@example.net>",
        "DATA",
        "MAIL",
        "RCPT",
        "VRFY root",
        "EXPN all",
    )

    async def test() -> None:
        async with serving() as rig, rig.session() as client:
            assert {"530"} == set(await client.talk(*commands))
            assert await client.talk(PLAIN) == ["535"]
            assert {"530"} == set(await client.talk(*commands))
            assert rig.users == ["alice"]

    run(test())


def test_attempts_in_one_session() -> None:
    """Each is counted, up to a limit; then the client has to go."""

    async def test() -> None:
        async with serving() as rig, rig.session() as client:
            assert await client.talk(*[PLAIN] * MAX_ATTEMPTS) == ["535"] * MAX_ATTEMPTS
            assert (await client.ended()).startswith(b"421 4.7.0 ")
            assert rig.users == ["alice"] * MAX_ATTEMPTS

    run(test())


def test_pipelined() -> None:
    """What comes in one piece, with the end of the connection behind it, is answered in order, up to the limits."""

    async def test() -> None:
        async with serving() as rig:
            for attempts in (1, 3, MAX_ATTEMPTS + 5):
                rig.sensor.attempts.clear()
                async with rig.client() as client:
                    await client.send(b"EHLO bot\r\n" + f"{PLAIN}\r\n".encode() * attempts)
                    client.writer.write_eof()
                    assert min(attempts, MAX_ATTEMPTS) == (await client.ended()).count(b"535 ")
                assert ["alice"] * min(attempts, MAX_ATTEMPTS) == rig.users

    run(test())


def test_every_cut() -> None:
    """An attempt is understood however it is cut."""

    async def test() -> None:
        async with serving() as rig, rig.session() as client:
            for byte in f"AUTH LOGIN\r\n{ALICE}\r\n{WORD}\r\n".encode():
                await client.send(bytes([byte]))
                await asyncio.sleep(0)
            assert [(await client.reply())[:3] for _ in range(3)] == ["334", "334", "535"]
            assert rig.users == ["alice"]

    run(test())


def test_a_banned_client_is_told_at_connect() -> None:
    """It reads why instead of a greeting, and what it sends is not heard."""

    async def test() -> None:
        async with serving() as rig:
            for data in (b"", b"EHLO bot\r\n", f"EHLO bot\r\n{PLAIN}\r\n".encode()):
                async with rig.client(BANNED) as client:
                    assert await client.reply() == f"{TOLD}\r\n"
                    await client.send(data)
                    assert await client.ended() == b""
            assert rig.sensor.attempts == []
            await rig.emptied()

    run(test())


def test_many_at_once() -> None:
    """As many sessions as there may be, all open: each attempt is one strike."""

    async def test() -> None:
        async with serving() as rig, contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(rig.session()) for _ in range(MAX_SESSIONS)]
            codes = await asyncio.gather(*(client.talk("AUTH LOGIN", ALICE, WORD) for client in clients))
            assert codes == [["334", "334", "535"]] * MAX_SESSIONS
            assert rig.users == ["alice"] * MAX_SESSIONS
            assert {"250"} == {code for client in clients for code in await client.talk("NOOP")}

    run(test())


def test_the_oldest_makes_room() -> None:
    """Silent sessions do not keep the next guesser out; one in the middle of an AUTH is counted as it goes."""

    async def test() -> None:
        async with serving() as rig, contextlib.AsyncExitStack() as stack:
            first = await stack.enter_async_context(rig.session())
            await first.talk("AUTH LOGIN", ALICE)
            for _ in range(MAX_SESSIONS + 50):
                await stack.enter_async_context(rig.client())
            assert await first.ended() == b""
            assert rig.users == ["alice"]
            assert await rig.is_serving()
            assert len(rig.server._sessions) <= MAX_SESSIONS

    run(test())


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"", b""),
        (b"", b"x"),
        (b"EHLO bot\r\n", b""),
        (b"EHLO bot\r\nAUTH PL", b"A"),
        (b"EHLO bot\r\nAUTH LOGIN\r\n", b""),
        (b"EHLO bot\r\nAUTH LOGIN\r\n", b"A"),
    ],
)
@pytest.mark.parametrize("limit", ["IDLE_S", "SESSION_S"])
def test_who_is_slow_is_cut_off(
    start: bytes, more: bytes, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence, and half a command whatever trickles in, have a deadline, and delay nobody."""
    monkeypatch.setattr(decoy, limit, 0.2)

    async def test() -> None:
        async with serving() as rig, rig.client() as slow:
            await slow.send(start)
            ended = asyncio.create_task(slow.ended())
            while not ended.done():
                await slow.send(more)
                await asyncio.sleep(0.01)
            assert ended.result().startswith(b"220 ")
            await rig.emptied()
            assert len(rig.users) == start.count(b"AUTH LOGIN")

    run(test())


def test_a_session_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy it is; nor does it live on a server that waits for its replies to be read."""
    monkeypatch.setattr(decoy, "SESSION_S", 0.3)
    monkeypatch.setattr(decoy, "MAX_REPLIES", 1 << 40)

    async def test() -> None:
        async with serving() as rig, rig.client() as busy, rig.client() as deaf:
            deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it can
            await deaf.send(b"NOOP\r\n" * 1000)
            while (await busy.reply()).startswith("2"):
                await busy.send(b"NOOP\r\n")
            await rig.emptied()

    run(test())


@pytest.mark.parametrize(
    ("data", "replies"),
    [
        (b"\r\n" * 1000, MAX_REPLIES + 1),
        (b"NOOP\r\n" * 1000, MAX_REPLIES + 1),
        (b"\xff\r\n" * 1000, MAX_REPLIES + 1),
        (b"GET / HTTP/1.1\r\nHost: example.org\r\nUser-Agent: x\r\nAccept: *\r\nX: y\r\n\r\n", 6),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)), 2),
        (b"x" * MAX_INPUT_BYTES, 1),
        (b"x" * 1_000_000, 1),
        (bytes(1_000_000), 1),
        (b"AUTH PLAIN " + b"A" * 1_000_000, 1),
        (b"AUTH PLAIN\r\n" + b"A" * 1_000_000, 2),
        (b"EHLO bot\r\nAUTH LOGIN\r\n" + b"\xff" * 1_000_000, 9),
    ],
)
def test_garbage(data: bytes, replies: int) -> None:
    """However much comes, the replies are few, an AUTH before it is counted, and the next client is served."""

    async def test() -> None:
        async with serving() as rig:
            async with rig.client() as client:
                await client.send(data)
                with contextlib.suppress(OSError):
                    client.writer.write_eof()
                assert (await client.ended()).count(b"\r\n") <= replies
            await rig.emptied()
            assert data.count(b"AUTH PLAIN\r\n") + data.count(b"AUTH LOGIN\r\n") == len(rig.users)
            assert await rig.is_serving()

    run(test())


def test_memory() -> None:
    """Hundreds of sessions that send megabytes, read nothing and stay leave no trace."""

    async def test() -> None:
        async with serving() as rig:
            await flood(rig, 200)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            await flood(rig, 1000)
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4000
            await rig.emptied()

    async def flood(rig: Rig, sessions: int) -> None:
        garbage = b"x" * (MAX_INPUT_BYTES - 1)
        for number in range(0, sessions, 50):
            async with contextlib.AsyncExitStack() as stack:
                for _ in range(50):
                    client = await stack.enter_async_context(rig.client())
                    await client.send(garbage * (1 + number % 100))

    run(test())


def test_a_session_that_is_over_is_freed_at_once() -> None:
    """Without garbage collection: a reference cycle that grew old would stay for good."""

    async def test() -> None:
        async with serving() as rig:
            assert await rig.is_serving()
            async with rig.session() as client:
                await client.talk("AUTH LOGIN", ALICE)
                client.reset()
            async with rig.client(BANNED), rig.client():
                pass
            async with rig.client() as client:
                await client.send(b"x" * 100_000)
            await rig.emptied()

    gc.collect()
    gc.disable()
    try:
        run(test())
    finally:
        gc.enable()


def test_resets_are_ignored() -> None:
    """Clients that vanish at any point leave nothing behind."""

    async def test() -> None:
        async with serving() as rig:
            for data in (
                b"",
                b"EHLO bot",
                b"EHLO bot\r\n",
                b"QUIT\r\n",
                b"\r\n" * 500,
                b"AUTH LOGIN\r\n" * 50,
            ):
                for address in (BOT, BANNED):
                    async with rig.client(address) as client:
                        await client.send(data)
                        client.reset()
            await rig.emptied()
            assert await rig.is_serving()

    run(test())


def test_a_fault_of_ours_is_told_as_such(caplog: pytest.LogCaptureFixture) -> None:
    """The reply is 451, the log says what it was and not what the client sent; the server goes on."""

    async def test() -> None:
        async with serving() as rig:
            async with rig.session() as client:
                assert await client.talk("AUTH LOGIN cmFpc2U=", WORD) == ["334", "451"]
            assert await rig.is_serving()

    run(test())
    assert [record.getMessage() for record in caplog.records] == ["decoy-failed error=ZeroDivisionError"]
