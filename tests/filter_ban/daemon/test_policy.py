# SPDX-License-Identifier: ISC
"""The policy service of the real daemon under torture: who is banned stays refused, others are answered, nothing grows."""

import contextlib
import os
import random
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from postfix_policy import Action, Dunno, RemoteProtocolError, Reply, encode_request
from postfix_policy.testing import FakeSession, FakeSmtpd
from tests.filter_ban.daemon.process import WAIT_S, Daemon, wait_for

BOT = "198.51.100.66"
OTHER = "198.51.100.7"
REFUSAL = Reply("421 4.7.0 Go away")
REFUSED = b"action=421 4.7.0 Go away\n\n"
DUNNO = b"action=DUNNO\n\n"
BAD = encode_request(FakeSession(BOT).connect())
GOOD = encode_request(FakeSession(OTHER).connect())
KIND = b"request=smtpd_access_policy\n"
MEGABYTE = 1 << 20
GROWTH_KB = 8192
RUDE = 10


class Policed:
    """A daemon whose policy service listens on a port and at a path; one client is banned."""

    def __init__(self, folder: Path, *, prefix: tuple[str, ...] = ()) -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.port: int = sock.getsockname()[1]
        self.path = str(folder / "policy")
        self.daemon = Daemon(
            folder,
            f'[reply]\nbanned = "421 4.7.0 Go away"\n'
            f'[postfix]\nlisten = ["127.0.0.1:{self.port}", "unix:{self.path}"]\n',
            prefix=prefix,
        )

    def start(self) -> "Policed":
        """Start it and ban the client."""
        self.daemon.start()
        self.daemon.ask("ban", clients=[BOT], length=86_400)
        return self

    def end(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(OSError, IndexError):
            self.daemon.kill()
        self.daemon.peers.close()

    def ask(self, session: FakeSession) -> Action:
        """Return the action for a new session, on a new connection."""
        with FakeSmtpd(self.path, timeout_s=WAIT_S) as smtpd:
            return smtpd.ask(session.connect())

    def connect(self) -> socket.socket:
        """Return a connection over TCP."""
        return socket.create_connection(("127.0.0.1", self.port), WAIT_S)

    def memory_kb(self) -> int:
        """Return the resident memory of the engine."""
        status = Path(f"/proc/{self.daemon.engine_pid()}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def assert_sound(self) -> None:
        """Assert that the banned client is refused and another is not."""
        assert self.ask(FakeSession(BOT)) == REFUSAL
        assert self.ask(FakeSession(OTHER)) == Dunno()


@pytest.fixture(scope="module")
def policed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Policed]:
    """Yield a daemon that all these tests torture."""
    made = Policed(tmp_path_factory.mktemp("policy"))
    try:
        yield made.start()
    finally:
        made.end()


def exchange(connection: socket.socket, data: bytes, size: int = 65536) -> bytes:
    """Send *data* in pieces, end the stream, and return all that is answered."""
    received = b""
    with connection, contextlib.suppress(OSError):  # reset by the daemon
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(data), size):
            connection.sendall(data[at : at + size])
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65536):
            received += part
    return received


def garbage(seed: int) -> bytes:
    """Return bytes without sense."""
    return random.Random(seed).randbytes(5000)


# --- what is well-formed is answered, in order

SOUND = {
    "whole": (BAD + GOOD, REFUSED + DUNNO),
    "pipelined": ((BAD + GOOD) * 300, (REFUSED + DUNNO) * 300),
    "two addresses, the banned one first": (
        KIND + f"client_address={BOT}\nclient_address={OTHER}\n\n".encode(),
        REFUSED,
    ),
    "two addresses, the banned one last": (
        KIND + f"client_address={OTHER}\nclient_address={BOT}\n\n".encode(),
        DUNNO,
    ),
    "nothing but the address": (KIND + f"client_address={BOT}\n\n".encode(), REFUSED),
    "no address": (KIND + b"\n", DUNNO),
    "unreadable address": (KIND + b"client_address=\xff\xfe\n\n", DUNNO),
    "unknown state": (KIND + f"protocol_state=\nclient_address={BOT}\n\n".encode(), REFUSED),
    "unknown attributes": (KIND + b"a=b=c\n= \n".replace(b"= ", b"d= ") + GOOD, DUNNO),
    "bad UTF-8": (BAD.replace(b"sender=", b"sender=\xc3\x28\xff") * 2, REFUSED * 2),
    "long values": (BAD.replace(b"sender=", b"sender=" + b"x" * 8000), REFUSED),
    "many attributes": (BAD[:-1] + b"".join(b"x%d=\n" % n for n in range(90)) + b"\n", REFUSED),
}


@pytest.mark.parametrize("size", [65536, 100, 1])
@pytest.mark.parametrize(("data", "expected"), SOUND.values(), ids=SOUND)
def test_sound(policed: Policed, data: bytes, expected: bytes, size: int) -> None:
    """Each well-formed request gets its answer, however it is cut: the banned client a refusal, others no opinion."""
    data = data if size > 1 else data[:3000]
    answered = data.count(b"\n\n")
    expected = b"".join([part + b"\n\n" for part in expected.split(b"\n\n")[:answered]])
    assert exchange(policed.connect(), data, size) == expected


# --- what is not is answered by nothing but the end of the connection

UNSOUND = {
    "1 MB line": KIND + b"sender=" + b"x" * MEGABYTE + b"\n\n",
    "1 MB name": b"x" * MEGABYTE,
    "1 MB of attributes": KIND + b"a=1\n" * (MEGABYTE // 4) + b"\n",
    "1 MB of empty lines": b"\n" * MEGABYTE,
    "1 MB of NUL": b"\0" * MEGABYTE,
    "NUL": GOOD.replace(b"sender=", b"sender=\0"),
    "CR LF": GOOD.replace(b"\n", b"\r\n"),
    "CR LF at the end": GOOD[:-1] + b"\r\n",
    "no name": GOOD[:-1] + b"=x\n\n",
    "no equals sign": GOOD[:-1] + b"x\n\n",
    "no kind": GOOD.removeprefix(KIND),
    "another kind": GOOD.replace(b"smtpd_access_policy", b"junk"),
    "two kinds": b"request=junk\n" + GOOD,
    "half": GOOD[: len(GOOD) // 2],
    "all but the end": GOOD[:-1],
    "HTTP": b"POST /?command=allow HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + garbage(0),
    "garbage": garbage(1),
    "an answer": DUNNO,
}


@pytest.mark.parametrize("size", [65536, 7])
@pytest.mark.parametrize("data", UNSOUND.values(), ids=UNSOUND)
def test_unsound(policed: Policed, data: bytes, size: int) -> None:
    """What is no request gets no answer, and ends the connection; others are none the worse."""
    data = data if size > 7 else data[:20_000]
    assert exchange(policed.connect(), data, size) == b""
    assert exchange(policed.connect(), BAD + data, size) in (REFUSED, b"")  # a reset may overtake it
    policed.assert_sound()


# --- many, slow and rude


def reset(connection: socket.socket) -> None:
    """Close with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_idle_connections(policed: Policed) -> None:
    """Hundreds of connections that say nothing, or half of something, keep nobody from being answered."""
    with contextlib.ExitStack() as stack:
        for number in range(500):
            connection = stack.enter_context(policed.connect())
            connection.sendall(GOOD[: number % 7 * 50])
        policed.assert_sound()
        assert exchange(policed.connect(), BAD + GOOD) == REFUSED + DUNNO
    policed.assert_sound()


def test_clients_that_read_nothing(policed: Policed) -> None:
    """Those who ask on and on and never take an answer are read no further; others are answered meanwhile."""
    before_kb = policed.memory_kb()
    with contextlib.ExitStack() as stack:
        for _ in range(RUDE):
            connection = stack.enter_context(policed.connect())
            connection.setblocking(False)
            sent = 1
            with contextlib.suppress(BlockingIOError):
                while sent:
                    sent = connection.send(BAD * 100)
            policed.assert_sound()
        assert policed.memory_kb() - before_kb < RUDE * 128 + GROWTH_KB
    policed.assert_sound()


def test_resets(policed: Policed) -> None:
    """Connections that end by RST before, within and after a request leave nothing behind."""
    before = open_files(policed)
    for number in range(300):
        connection = policed.connect()
        connection.sendall((GOOD * 2)[: number * 5])
        reset(connection)
    policed.assert_sound()
    wait_for(lambda: open_files(policed) <= before, "the connections are forgotten")


def open_files(policed: Policed) -> int:
    """Return how many files the engine has open."""
    return len(os.listdir(f"/proc/{policed.daemon.engine_pid()}/fd"))  # noqa: PTH208 - only their number


def torture(policed: Policed) -> None:
    """Send everything once, and one long flood of clients."""
    for data, _ in SOUND.values():
        exchange(policed.connect(), data)
    for data in UNSOUND.values():
        exchange(policed.connect(), data)
    with FakeSmtpd(policed.path) as smtpd:
        for number in range(2000):
            address = f"10.{random.randrange(256)}.{number >> 8}.{number & 255}"
            assert smtpd.ask(FakeSession(address, server_port=25).connect()) == Dunno()


def test_memory_is_flat(policed: Policed) -> None:
    """After the first round of all this, further rounds need no further memory."""
    for _ in range(2):
        torture(policed)
    before_kb = policed.memory_kb()
    for _ in range(4):
        torture(policed)
    assert policed.memory_kb() - before_kb < GROWTH_KB
    policed.assert_sound()


def test_few_files(tmp_path: Path) -> None:
    """Where the system allows few open files, too many connections keep neither operator nor other servers out."""
    policed = Policed(tmp_path, prefix=("sh", "-c", 'ulimit -n 200; exec "$@"', "sh"))
    try:
        policed.start()
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(FakeSmtpd(policed.path))
            for _ in range(300):
                stack.enter_context(policed.connect())
            assert first.ask(FakeSession(BOT).connect()) == REFUSAL
            assert BOT in policed.daemon.bans()
        wait_for(lambda: policed.ask(FakeSession(OTHER)) == Dunno(), "others are let in again")
        policed.assert_sound()
    finally:
        policed.end()


# --- the daemon as a whole


def attempts(session: Callable[[], FakeSession], policed: Policed) -> list[Action]:
    """Return the answers at MAIL of six sessions."""
    with FakeSmtpd(policed.path) as smtpd:
        return [smtpd.ask(session().mail()) for _ in range(6)]


def test_relay_attempts_are_banned(policed: Policed) -> None:
    """Five sessions that would send without a login are a ban, for all services; the same with a login is not."""
    client, friend = "203.0.113.5", "203.0.113.6"
    assert attempts(lambda: FakeSession(client), policed) == [Dunno()] * 5 + [REFUSAL]
    assert policed.ask(FakeSession(client, server_port=25)) == REFUSAL
    assert policed.daemon.bans()[client]["rule"] == "5 in 10m"

    def with_login() -> FakeSession:
        session = FakeSession(friend)
        session.login("alice@example.org")
        return session

    assert attempts(with_login, policed) == [Dunno()] * 6


def test_engine_killed(policed: Policed) -> None:
    """Whoever connects while the engine is replaced waits and is answered; the ban holds."""
    wait_for(lambda: policed.daemon.status()["ledger"]["pending_bans"] == 0, "the ban is committed")
    with FakeSmtpd(policed.path) as smtpd:
        assert smtpd.ask(FakeSession(BOT).connect()) == REFUSAL
        os.kill(policed.daemon.engine_pid(), signal.SIGKILL)
        with pytest.raises(RemoteProtocolError):
            smtpd.ask(FakeSession(BOT).connect())
    policed.assert_sound()
