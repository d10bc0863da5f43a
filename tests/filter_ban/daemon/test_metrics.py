# SPDX-License-Identifier: ISC
"""The metrics' endpoint: what it answers, that nobody makes it slow or big, and that a live daemon's figures are right."""

import asyncio
import contextlib
import http.client
import logging
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from filter_ban.daemon import http_server
from filter_ban.daemon.metrics import MAX_CONNECTIONS, MetricsServer
from filter_ban.metrics import Form
from postfix_policy import Dunno
from postfix_policy.testing import FakeSession, FakeSmtpd
from tests.filter_ban.daemon.process import Daemon, DecoyGuest, Dovecot, Smtpd, free_port, wait_for
from tests.filter_ban.daemon.test_figures import Rig
from tests.filter_ban.daemon.test_figures import run as run_rig
from tests.filter_ban.metrics.prometheus import PARSERS

BOUND_S = 20.0
GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
OPENMETRICS = (
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n"
)
BOT, NEIGHBOUR, FRIEND = "198.51.100.66", "198.51.100.67", "192.0.2.7"

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Answer = tuple[int, dict[str, str], bytes]


class Endpoint:
    """A server on loopback, of a service without processes around it."""

    def __init__(self, server: MetricsServer, port: int) -> None:
        self.server = server
        self.port = port

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[Peer]:
        """Connect."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def ask(self, data: bytes = GET) -> Answer:
        """Ask on a connection of its own."""
        async with self.connected() as peer:
            return await ask(peer, data)


async def ask(peer: Peer, data: bytes = GET) -> Answer:
    """Send *data*; return status, header fields and body of the answer; a body that is only announced is empty."""
    reader, writer = peer
    with contextlib.suppress(ConnectionError):
        writer.write(data)
        await asyncio.wait_for(writer.drain(), BOUND_S)
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), BOUND_S)).decode()
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
    length = 0 if data.startswith(b"HEAD") else int(fields["Content-Length"])
    body = await asyncio.wait_for(reader.readexactly(length), BOUND_S)
    return int(head.split()[1]), fields, body


async def ended(peer: Peer) -> bytes:
    """Return what is left to read before the server closes."""
    with contextlib.suppress(ConnectionError):
        return await asyncio.wait_for(peer[0].read(), BOUND_S)
    return b""


@contextlib.asynccontextmanager
async def serving(rig: Rig) -> AsyncIterator[Endpoint]:
    """Serve until the end of the block."""
    assert rig.service.meter is not None
    server = MetricsServer(rig.service, rig.service.meter)
    listener = await asyncio.get_running_loop().create_server(server.factory, "127.0.0.1", 0)
    try:
        yield Endpoint(server, listener.sockets[0].getsockname()[1])
    finally:
        listener.close()
        await server.close()


def run(folder: Path, test: Callable[[Endpoint], Coroutine[Any, Any, None]]) -> None:
    """Run a test with an endpoint, within its bound."""

    async def served(rig: Rig) -> None:
        async with serving(rig) as endpoint:
            await asyncio.wait_for(test(endpoint), 3 * BOUND_S)

    run_rig(folder, served)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a client does, no traceback is logged, nor anything of what it sent."""
    yield
    for record in caplog.get_records("call"):
        assert record.exc_info is None, record.getMessage()
        assert record.levelno < logging.ERROR, record.getMessage()


# --- what is answered


def test_both_forms(tmp_path: Path) -> None:
    """Each is what its media type says, for Prometheus's own parsers; HEAD has no body."""

    async def test(endpoint: Endpoint) -> None:
        status, fields, body = await endpoint.ask()
        assert (status, fields["Content-Type"]) == (200, Form.TEXT.value)
        plain = {family.name for family in PARSERS[Form.TEXT](body.decode())}
        status, fields, body = await endpoint.ask(OPENMETRICS)
        assert (status, fields["Content-Type"]) == (200, Form.OPENMETRICS.value)
        assert {family.name for family in PARSERS[Form.OPENMETRICS](body.decode())} == plain
        status, _, body = await endpoint.ask(GET.replace(b"GET", b"HEAD"))
        assert (status, body) == (200, b"")

    run(tmp_path, test)


def test_one_connection_serves_many_scrapes(tmp_path: Path) -> None:
    """One after the other, and several in one write."""

    async def test(endpoint: Endpoint) -> None:
        async with endpoint.connected() as peer:
            for _ in range(3):
                assert (await ask(peer))[0] == 200
            assert [(await ask(peer, data))[0] for data in (GET * 5, b"", b"", b"", b"")] == [200] * 5

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /metrics?debug=1 HTTP/1.0\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET /metrics/ HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET /../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 405),
        (b"DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"\r\n" * 100 + b"nonsense\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", 400),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nA\0: b\r\n\r\n", 400),
    ],
)
def test_one_request(tmp_path: Path, data: bytes, status: int) -> None:
    """What is not a scrape is told so in one plain line, and the next scrape is answered."""

    async def test(endpoint: Endpoint) -> None:
        got, fields, body = await endpoint.ask(data)
        assert got == status
        if status != 200:
            assert fields["Content-Type"].startswith("text/plain")
            assert body.count(b"\n") == 1
        assert (await endpoint.ask())[0] == 200

    run(tmp_path, test)


# --- what a client can spend


@pytest.mark.parametrize("start", [b"", b"GET", GET[:-2], GET[:-2] + b"X: "])
def test_slow_requests_are_dropped(tmp_path: Path, start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it trickles in, a request has a deadline; others are answered meanwhile."""
    monkeypatch.setattr(http_server, "REQUEST_S", 0.3)

    async def test(endpoint: Endpoint) -> None:
        async with endpoint.connected() as slow:
            slow[1].write(start)
            hung_up = asyncio.create_task(ended(slow))
            while not hung_up.done():
                with contextlib.suppress(ConnectionError):
                    slow[1].write(b"x" if start else b"")
                    await slow[1].drain()
                assert (await endpoint.ask())[0] == 200
            assert not hung_up.result().startswith(b"HTTP/1.1 200")

    run(tmp_path, test)


def test_idle_connections_make_room(tmp_path: Path) -> None:
    """More connections than there may be: whoever comes next is answered."""

    async def test(endpoint: Endpoint) -> None:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(3 * MAX_CONNECTIONS):
                peer = await stack.enter_async_context(endpoint.connected())
                peer[1].write(GET[:10])
            assert (await endpoint.ask())[0] == 200
            assert len(endpoint.server._server.connections) <= MAX_CONNECTIONS

    run(tmp_path, test)


def test_endless_headers_and_requests_end(tmp_path: Path) -> None:
    """Who sends without end, or reads no answer, is dropped."""

    async def flood(peer: Peer, data: bytes) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            while not peer[1].is_closing():
                peer[1].write(data)
                await asyncio.wait_for(peer[1].drain(), 1.0)

    async def test(endpoint: Endpoint) -> None:
        for start, data in ((GET[:-2], b"X: " + b"y" * 100 + b"\r\n"), (b"", GET * 100)):
            async with endpoint.connected() as peer:
                peer[1].transport.pause_reading()  # type: ignore[attr-defined]  # it can
                peer[1].write(start)
                flooding = asyncio.create_task(flood(peer, data * 100))
                while not flooding.done():
                    assert (await endpoint.ask())[0] == 200
            while len(endpoint.server._server.connections) > 1:
                assert (await endpoint.ask())[0] == 200

    run(tmp_path, test)


def test_close_ends_all_connections(tmp_path: Path) -> None:
    """Idle ones and those in the middle of a request."""

    async def test(endpoint: Endpoint) -> None:
        async with endpoint.connected() as idle, endpoint.connected() as half:
            assert (await ask(idle))[0] == 200
            half[1].write(GET[:-1])
            await endpoint.server.close()
            assert [await ended(peer) for peer in (idle, half)] == [b""] * 2

    run(tmp_path, test)


def test_without_ssl() -> None:
    """The engine's process does without the module."""
    code = "import sys; sys.modules['ssl'] = None; import filter_ban.daemon.metrics"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- a live daemon


class Scraper:
    """A Prometheus."""

    def __init__(self, port: int) -> None:
        self._port = port

    def scrape(self) -> dict[str, float]:
        """Return all samples by their name and labels, as PromQL would write them."""
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self._port, timeout=BOUND_S)
        ) as connection:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        return {
            f"{sample.name}{{{','.join(f'{key}={word}' for key, word in sample.labels.items())}}}": sample.value
            for family in PARSERS[Form.TEXT](text)
            for sample in family.samples
        }


def test_a_live_daemon(daemon: Daemon) -> None:
    """Failures, bans, refusals, a lift: what happened at each door is what is scraped, before and after."""
    policy, dovecot, decoy, metrics = (free_port() for _ in range(4))
    daemon.configure(
        'mode = "refuse"\n'
        f'[postfix]\nlisten = ["127.0.0.1:{policy}"]\n[dovecot]\nlisten = ["127.0.0.1:{dovecot}"]\n'
        f'[decoy]\nlisten = ["127.0.0.1:{decoy}"]\n[metrics]\nlisten = ["127.0.0.1:{metrics}"]\n'
    )
    daemon.start()
    scraper = Scraper(metrics)
    before = scraper.scrape()
    assert before["filter_ban_active_bans{}"] == 0
    assert before["filter_ban_bans_total{rule=5 in 10m}"] == 0

    smtpd = Smtpd(daemon)
    assert smtpd.guess(BOT, 6).startswith("disconnect")
    assert smtpd.connect(BOT)[1].startswith("disconnect")
    door = Dovecot(dovecot)
    door.report(NEIGHBOUR)
    door.report(FRIEND, success=True)
    assert not door.allows(BOT)
    assert door.allows(FRIEND)
    with FakeSmtpd(("127.0.0.1", policy)) as postfix:
        answers = [postfix.ask(FakeSession(client).connect()) for client in (BOT, FRIEND)]
    assert answers[1] == Dunno() != answers[0]
    guest = DecoyGuest(decoy, "127.0.0.5")
    guest.command("EHLO bot")
    guest.guess()
    guest.close()

    assert (
        scraper.scrape().items()
        >= {
            "filter_ban_events_total{sensor=opensmtpd,kind=auth-fail}": 5,
            "filter_ban_events_total{sensor=dovecot,kind=auth-fail}": 1,
            "filter_ban_events_total{sensor=dovecot,kind=auth-pass}": 1,
            "filter_ban_events_total{sensor=decoy,kind=decoy}": 1,
            "filter_ban_answers_total{sensor=opensmtpd,verdict=allowed}": 6,
            "filter_ban_answers_total{sensor=opensmtpd,verdict=refused}": 2,
            "filter_ban_answers_total{sensor=dovecot,verdict=allowed}": 1,
            "filter_ban_answers_total{sensor=dovecot,verdict=refused}": 1,
            "filter_ban_answers_total{sensor=postfix,verdict=allowed}": 1,
            "filter_ban_answers_total{sensor=postfix,verdict=refused}": 1,
            "filter_ban_answers_total{sensor=decoy,verdict=allowed}": 1,
            "filter_ban_answers_total{sensor=decoy,verdict=refused}": 0,
            "filter_ban_answer_seconds_count{sensor=opensmtpd}": 8,
            "filter_ban_answer_seconds_count{sensor=postfix}": 2,
            "filter_ban_bans_total{rule=5 in 10m}": 1,
            "filter_ban_bans_total{rule=decoy}": 1,
            "filter_ban_active_bans{}": 2,
            "filter_ban_clients{}": 3,
            "filter_ban_known_clients{}": 1,
            "filter_ban_relays{}": 1,
            "filter_ban_ledger_ok{}": 1,
            "filter_ban_mode{mode=refuse}": 1,
            "filter_ban_listeners{service=metrics,state=open}": 1,
        }.items()
    )

    daemon.ask("lift", clients=[BOT])
    after = scraper.scrape()
    assert (after["filter_ban_bans_ended_total{by=operator}"], after["filter_ban_active_bans{}"]) == (1, 1)
    wait_for(lambda: scraper.scrape()["filter_ban_loop_lag_seconds_count{}"] > 0, "the loop is sampled")
    assert after["process_resident_memory_bytes{}"] > 1e6
    assert after["process_cpu_seconds_total{}"] >= before["process_cpu_seconds_total{}"] > 0


def test_time_to_ban_of_a_live_daemon(daemon: Daemon) -> None:
    """It is measured once the firewall's program has the entry, of the ban by a rule; the one by hand is only counted."""
    helper = daemon.folder / "helper"
    helper.write_text("#!/bin/sh\nexec cat >/dev/null\n")
    helper.chmod(0o755)
    port = free_port()
    daemon.configure(
        f'[firewall]\nbackend = "helper"\nhelper = "{helper}"\nhelper_protocol = "lines"\n'
        f'[metrics]\nlisten = ["127.0.0.1:{port}"]\n'
    )
    daemon.start()
    scraper = Scraper(port)
    Smtpd(daemon).guess(BOT, 6)
    daemon.ask("ban", clients=[NEIGHBOUR])

    def both_in_force() -> bool:
        return scraper.scrape()["filter_ban_firewall_entries{backend=helper,state=in-force}"] == 2

    wait_for(both_in_force, "both bans are in force")
    scraped = scraper.scrape()
    assert scraped["filter_ban_time_to_ban_seconds_count{}"] == 1
    assert scraped["filter_ban_time_to_ban_seconds_sum{}"] > 0
    assert scraped["filter_ban_oldest_unenforced_ban_seconds{}"] == 0


def test_no_figure_names_anybody(daemon: Daemon) -> None:
    """Neither addresses nor names of users are in the text, whatever they are."""
    port = free_port()
    daemon.configure(f'mode = "refuse"\n[metrics]\nlisten = ["127.0.0.1:{port}"]\n')
    daemon.start()
    Smtpd(daemon).guess(BOT, 6, user='evil",x="1\\n@example.org')

    text = "\n".join(Scraper(port).scrape())
    assert "filter_ban_bans_total{rule=5 in 10m}" in text
    assert not [word for word in (BOT, "evil", "example") if word in text]


def test_on_a_unix_socket(daemon: Daemon) -> None:
    """It may be there, as other endpoints."""
    path = daemon.folder / "metrics.sock"
    daemon.configure(f'[metrics]\nlisten = ["unix:{path}"]\n')
    daemon.start()
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(BOUND_S)
        connection.connect(str(path))
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert connection.makefile("rb").readline() == b"HTTP/1.0 200 OK\r\n"


def test_without_aiohttp(daemon: Daemon) -> None:
    """The daemon serves all others, and says what is missing."""
    daemon.without("aiohttp")
    daemon.configure(f'[metrics]\nlisten = ["127.0.0.1:{free_port()}"]\n')
    daemon.start()
    (problem,) = [
        listener["problem"] for listener in daemon.status()["listeners"] if listener["service"] == "metrics"
    ]

    assert 'needs the extra "http"' in problem
