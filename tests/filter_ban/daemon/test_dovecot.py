# SPDX-License-Identifier: ISC
"""The HTTP server for Dovecot on loopback: what it answers, and that nobody makes it slow, big or lenient."""

import asyncio
import base64
import contextlib
import json
import logging
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

import pytest

from filter_ban.daemon import http_server
from filter_ban.daemon.dovecot import MAX_BODY_BYTES, MAX_CONNECTIONS, DovecotServer
from filter_ban.sensors.dovecot import Attributes, DovecotSensor, Permission

BOT = "198.51.100.66"
FRIEND = "192.0.2.7"
REASON = f"{BOT} refused until further notice"
SECRET = "a secret, grün"
BOUND_S = 20.0


class Sensor(DovecotSensor):
    """Refuses one client, remembers reports, and breaks down where a test wants it."""

    def __init__(self) -> None:
        self.reports: list[Attributes] = []

    def allow(self, attributes: Attributes) -> Permission:
        """Refuse BOT."""
        if attributes.get("remote") == BOT:
            return Permission(allowed=False, explanation=REASON)
        return Permission(allowed=True)

    def report(self, attributes: Attributes) -> None:
        """Remember the report."""
        if attributes.get("login") == "raise":
            raise ZeroDivisionError(attributes["pwhash"])
        self.reports.append(attributes)


class Client:
    """A connection that sends any bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send *data*; a server that has hung up is none of the sender's business."""
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await asyncio.wait_for(self.writer.drain(), BOUND_S)

    async def answer(self) -> tuple[int, Any]:
        """Return status and body of the next answer."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), BOUND_S)
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
        assert fields["Content-Type"].startswith("application/json")
        body = await asyncio.wait_for(self.reader.readexactly(int(fields["Content-Length"])), BOUND_S)
        return int(head.split()[1]), json.loads(body)

    async def ask(self, data: bytes) -> tuple[int, Any]:
        """Send *data*; return status and body of the answer."""
        await self.send(data)
        return await self.answer()

    async def ended(self) -> bytes:
        """Return what is left to read before the server closes."""
        try:
            return await asyncio.wait_for(self.reader.read(), BOUND_S)
        except ConnectionError:
            return b""

    async def is_refused(self, remote: str = BOT) -> bool:
        """Return whether *remote* is refused."""
        status, answer = await self.ask(request(remote=remote))
        assert status == 200
        return bool(answer["status"])


class Rig:
    """A server on loopback."""

    def __init__(self, secret: str) -> None:
        self.sensor = Sensor()
        self.settled = 0
        self.server = DovecotServer(self.sensor, self.settle, secret)
        self.port = 0

    def settle(self) -> None:
        """Count the calls."""
        self.settled += 1

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """Connect."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def ask(self, data: bytes) -> tuple[int, Any]:
        """Ask on a connection of its own."""
        async with self.client() as client:
            return await client.ask(data)


@contextlib.asynccontextmanager
async def serving(secret: str = "") -> AsyncIterator[Rig]:
    """Serve until the end of the block."""
    rig = Rig(secret)
    listener = await asyncio.get_running_loop().create_server(rig.server.factory, "127.0.0.1", 0)
    rig.port = listener.sockets[0].getsockname()[1]
    try:
        yield rig
    finally:
        listener.close()
        await rig.server.close()


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test within its bound."""
    asyncio.run(asyncio.wait_for(test, 3 * BOUND_S))


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a client does, no traceback is logged, nor anything of what it sent."""
    yield
    for record in caplog.get_records("call"):
        assert record.exc_info is None, record.getMessage()
        assert record.levelno < logging.ERROR or record.message.startswith("dovecot-failed"), record.message


def post(target: str, body: bytes, *headers: str) -> bytes:
    """Return a POST as Dovecot sends it."""
    lines = (
        f"POST {target} HTTP/1.1",
        "Host: 127.0.0.1:10041",
        "Date: Sat, 21 Nov 2026 03:13:02 GMT",
        "User-Agent: dovecot/auth-policy-client",
        f"Content-Length: {len(body)}",
        "Connection: Keep-Alive",
        "Content-Type: application/json",
        *headers,
    )
    return "\r\n".join((*lines, "", "")).encode() + body


def request(command: str = "allow", remote: str = BOT, **attributes: object) -> bytes:
    """Return a request of Dovecot."""
    return post(f"/?command={command}", json.dumps({"remote": remote, **attributes}).encode())


def chunked(*chunks: bytes) -> bytes:
    """Return an allow with a body in chunks."""
    head = b"POST /?command=allow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


BODY = json.dumps({"remote": BOT}).encode()
REFUSED = (200, {"status": -1, "msg": REASON, "r_attrs": {}})
ALLOWED = (200, {"status": 0, "msg": "", "r_attrs": {}})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (request(), REFUSED),
        (request(remote=FRIEND), ALLOWED),
        (post("/", BODY), 404),
        (post("/?command=", BODY), 404),
        (post("/?command=stats", BODY), 404),
        (post("/?command=ALLOW", BODY), 404),
        (post("/allow", BODY), 404),
        (post("/?command=ping", BODY), 405),
        (b"GET /?command=allow HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"PUT /?command=report HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405),
        (b"GET /?command=ping HTTP/1.1\r\nHost: x\r\n\r\n", (200, {"status": "ok"})),
        (b"GET /command/ping HTTP/1.0\r\n\r\n", (200, {"status": "ok"})),
        (post("/command/allow", BODY), REFUSED),
        (post("/base/command/allow", BODY), REFUSED),
        (post("/hook?site=mx1&command=allow", BODY), REFUSED),
        (post("/?command=report&command=allow", BODY), REFUSED),
        (post("/?command=report", BODY), (200, {"status": "ok"})),
        (post("/?command=allow", BODY).replace(b"application/json", b"text/plain"), REFUSED),
        (post("/?command=allow", BODY).replace(b"Content-Type: application/json\r\n", b""), REFUSED),
        (post("/?command=allow", b""), 400),
        (post("/?command=allow", b"[]"), 400),
        (post("/?command=allow", b"null"), 400),
        (post("/?command=allow", BODY[:-1]), 400),
        (post("/?command=allow", BODY + b"x"), 400),
        (post("/?command=allow", b"\0" * 100), 400),
        (post("/?command=allow", b'{"remote": "\xff"}'), 400),
        (post("/?command=allow", b"[" * 60_000), 400),
        (post("/?command=allow", b'{"a":' * 10_000), 400),
        (post("/?command=allow", b"9" * 60_000), 400),
        (post("/?command=allow", BODY, "Content-Encoding: gzip"), REFUSED),
        (post("/?command=allow", BODY + b" " * (MAX_BODY_BYTES - len(BODY))), REFUSED),
        (post("/?command=allow", BODY + b" " * (MAX_BODY_BYTES - len(BODY) + 1)), 413),
        (post("/?command=allow", b" " * 1_000_000), 413),
        (chunked(BODY), REFUSED),
        (chunked(*(bytes([byte]) for byte in BODY)), REFUSED),
        (chunked(BODY, b" " * MAX_BODY_BYTES), 413),
        (chunked(*[b" " * 1000] * 1000), 413),
        (chunked(BODY).replace(b"\r\n0\r\n", b"\r\nzz\r\n"), 400),
        (b"\r\n" * 100 + b"nonsense\r\n\r\n", 400),
        (b"POST /?command=allow HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /?command=allow HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", 400),
        (b"POST /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", 400),
        (b"POST /?command=allow HTTP/1.1\r\nA\0: b\r\n\r\n", 400),
    ],
)
def test_one_request(data: bytes, expected: int | tuple[int, Any]) -> None:
    """Each has its answer in JSON; what is not 200 says why, and 0 is said only of who may go on."""

    async def test() -> None:
        async with serving() as rig:
            answer = await rig.ask(data)
            if isinstance(expected, int):
                status, body = answer
                assert (status, body["status"]) == (expected, "failure")
                assert body["reason"]
            else:
                assert answer == expected
            assert await rig.ask(request()) == REFUSED

    run(test())


def test_reports_are_settled_before_the_answer() -> None:
    """What a report leads to is in force when Dovecot hears of it."""

    async def test() -> None:
        async with serving() as rig, rig.client() as client:
            assert await client.ask(request("report", FRIEND, login="alice")) == (200, {"status": "ok"})
            assert rig.sensor.reports == [{"remote": FRIEND, "login": "alice"}]
            assert rig.settled == 1
            await client.ask(request())
            assert rig.settled == 1

    run(test())


def basic(credentials: str, scheme: str = "Basic") -> str:
    """Return a header of Basic authentication."""
    return f"Authorization: {scheme} " + base64.b64encode(credentials.encode()).decode()


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"X-API-Key: {SECRET}", 200),
        (f"X-Api-Key:  {SECRET}  ", 200),
        (basic(f"anybody:{SECRET}"), 200),
        (basic(f":{SECRET}", "basic"), 200),
        ("X-API-Key: wrong", 401),
        ("X-API-Key: ", 401),
        (f"X-API-Key: {SECRET}x", 401),
        ("Date: none", 401),
        (basic("anybody:wrong"), 401),
        (basic(SECRET), 401),
        (basic(f"anybody:{SECRET}", "Bearer"), 401),
        ("Authorization: Basic", 401),
        ("Authorization: Basic ===", 401),
        ("Authorization: Basic gr\u00fcn", 401),
    ],
)
@pytest.mark.parametrize("target", ["/?command=allow", "/?command=report"])
def test_secret(target: str, header: str, status: int) -> None:
    """It comes as X-API-Key, as Dovecot writes it, or as the password of any user."""

    async def test() -> None:
        async with serving(SECRET) as rig:
            assert (await rig.ask(post(target, BODY, header)))[0] == status
            assert len(rig.sensor.reports) == (status == 200 and target.endswith("report"))

    run(test())


def test_without_the_secret_nothing_is_told() -> None:
    """Not even which commands there are."""

    async def test() -> None:
        async with serving(SECRET) as rig:
            for target in ("/?command=ping", "/?command=stats", "/"):
                assert (await rig.ask(post(target, BODY)))[0] == 401

    run(test())


def test_every_cut() -> None:
    """A request is understood however it is cut, on a connection that is kept."""

    async def test() -> None:
        async with serving() as rig, rig.client() as client:
            for byte in request():
                await client.send(bytes([byte]))
                await asyncio.sleep(0)
            assert await client.answer() == REFUSED
            for at in range(1, len(request()), 7):
                await client.send(request()[:at])
                await asyncio.sleep(0)
                assert await client.ask(request()[at:]) == REFUSED

    run(test())


def test_pipelined_requests_are_answered_in_order() -> None:
    """Several hundred in one write, each has its answer."""

    async def test() -> None:
        remotes = [BOT, FRIEND, FRIEND] * 150
        async with serving() as rig, rig.client() as client:
            await client.send(b"".join(request(remote=remote) for remote in remotes))
            answers = [await client.answer() for _ in remotes]
            assert answers == [REFUSED if remote == BOT else ALLOWED for remote in remotes]

    run(test())


def test_expect_continue() -> None:
    """Who asks whether to send the body is told, or told why not."""

    async def test() -> None:
        head, _, body = post("/?command=allow", BODY, "Expect: 100-continue").partition(b"\r\n\r\n")
        async with serving() as rig, rig.client() as client:
            await client.send(head + b"\r\n\r\n")
            assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
            assert await client.ask(body) == REFUSED
            head = head.replace(f"Length: {len(body)}".encode(), b"Length: 1000000")
            assert (await client.ask(head + b"\r\n\r\n"))[0] == 413

    run(test())


@pytest.mark.parametrize(
    "data",
    [
        post("/?command=allow", BODY, "Upgrade: websocket").replace(b"Keep-Alive", b"Upgrade"),
        post("/?command=allow", BODY, "Upgrade: h2c"),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),  # TLS
        b"POST http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT /?command=allow HTTP/1.1\r\nHost: x\r\n\r\n" + BODY,
    ],
)
def test_what_versions_of_aiohttp_disagree_about(data: bytes) -> None:
    """Some answer, some hang up; none lets a banned client through, and the next connection is served."""

    async def test() -> None:
        async with serving() as rig:
            async with rig.client() as client:
                await client.send(data)
                client.writer.write_eof()
                assert b'"status": 0' not in await client.ended()
            assert await rig.ask(request()) == REFUSED

    run(test())


@pytest.mark.parametrize(
    ("start", "more", "answers"),
    [
        (b"", b"", 0),
        (b"\r\n", b"", 0),
        (b"POST", b"x", 0),
        (request()[:60], b"x", 0),
        (request()[:-1], b"", 0),
        (post("/?command=allow", b" " * 60_000)[:-50_000], b" ", 0),
        (chunked(BODY)[:-5], b"", 0),
        (chunked(BODY)[:-5], b"1\r\n \r\n", 0),
        (request() + request()[:-1], b"", 1),
    ],
)
def test_who_is_slow_is_cut_off(
    start: bytes, more: bytes, answers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a request has a deadline, whatever trickles in, and delays nobody."""
    monkeypatch.setattr(http_server, "REQUEST_S", 0.3)

    async def test() -> None:
        async with serving() as rig, rig.client() as slow, rig.client() as other:
            await slow.send(start)
            ended = asyncio.create_task(slow.ended())
            while not ended.done():
                await slow.send(more)
                assert await other.is_refused()
            assert ended.result().count(b"HTTP/1.1 200") == answers
            assert await other.is_refused()

    run(test())


def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was answered may be idle for longer than a request may take, but not for ever."""
    monkeypatch.setattr(http_server, "REQUEST_S", 0.1)
    monkeypatch.setattr(http_server, "IDLE_S", 2.0)

    async def test() -> None:
        async with serving() as rig, rig.client() as client:
            assert await client.is_refused()
            async with rig.client() as silent:
                assert await silent.ended() == b""
            assert await client.is_refused()
            assert await client.ended() == b""

    run(test())


def test_idle_connections_make_room() -> None:
    """More connections than there may be, idle, silent or half way: whoever comes next is answered."""

    async def test() -> None:
        async with serving() as rig, contextlib.AsyncExitStack() as stack:
            for number in range(MAX_CONNECTIONS + 50):
                client = await stack.enter_async_context(rig.client())
                if number % 3 == 0:
                    assert await client.is_refused()
                elif number % 3 == 1:
                    await client.send(request()[: number % 200])
            assert await client.is_refused()
            async with rig.client() as another:
                assert await another.is_refused()
                assert not await another.is_refused(FRIEND)
            assert len(rig.server._server.connections) <= MAX_CONNECTIONS

    run(test())


def test_resets_are_ignored() -> None:
    """Clients that vanish at any point leave nothing behind."""

    async def test() -> None:
        async with serving() as rig:
            for data in (b"", request()[:50], request()[:-1], request(), request() * 50, chunked(BODY)[:-3]):
                async with rig.client() as client:
                    await client.send(data)
                    sock = client.writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.writer.transport.abort()
                async with rig.client() as client:
                    assert await client.is_refused()
            async with rig.client() as client:
                while len(rig.server._server.connections) > 1:
                    assert await client.is_refused()

    run(test())


def test_who_does_not_read_is_dropped() -> None:
    """Answers that nobody takes do not pile up."""

    async def test() -> None:
        async with serving() as rig, rig.client() as deaf, rig.client() as other:
            deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it can
            sending = asyncio.create_task(flood(deaf))
            while not sending.done():
                assert await other.is_refused()
            while len(rig.server._server.connections) > 1:
                assert await other.is_refused()

    async def flood(client: Client) -> None:
        while not client.writer.is_closing():
            try:
                client.writer.write(request() * 100)
                await asyncio.wait_for(client.writer.drain(), 1.0)
            except (ConnectionError, TimeoutError):
                return

    run(test())


def test_a_fault_of_ours_is_told_as_such(caplog: pytest.LogCaptureFixture) -> None:
    """The answer is 500, the log says where, and neither says what the request was; the server goes on."""

    async def test() -> None:
        async with serving() as rig:
            status, answer = await rig.ask(request("report", login="raise", pwhash="0f2d"))
            assert (status, answer["status"]) == (500, "failure")
            assert rig.settled == 0
            assert await rig.ask(request()) == REFUSED

    run(test())
    (line,) = (record.getMessage() for record in caplog.records if record.name == http_server.__name__)
    assert line.startswith("dovecot-failed error=ZeroDivisionError where=report:")
    assert "0f2d" not in caplog.text


def test_close_ends_all_connections() -> None:
    """Idle ones and those in the middle of a request."""

    async def test() -> None:
        async with serving() as rig, rig.client() as idle, rig.client() as half, rig.client() as silent:
            assert await idle.is_refused()
            await half.send(request()[:-1])
            await rig.server.close()
            assert [await client.ended() for client in (idle, half, silent)] == [b""] * 3

    run(test())


def test_without_ssl() -> None:
    """The engine's process does without the module, which saves 4 MB; aiohttp can."""
    code = "import sys; sys.modules['ssl'] = None; import filter_ban.daemon.dovecot"
    subprocess.run([sys.executable, "-c", code], check=True)
