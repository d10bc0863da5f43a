# SPDX-License-Identifier: ISC
"""blocklistd's socket: real datagrams with descriptors, what becomes of them, and what they must not do."""

import asyncio
import contextlib
import fcntl
import itertools
import os
import pwd
import socket
import struct
import termios
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from filter_ban.client import make_key, pack_address
from filter_ban.config import parse_config
from filter_ban.daemon import blocklistd
from filter_ban.daemon.blocklistd import BURST, BlocklistServer, receive
from filter_ban.enforcer.listeners import _open_blocklistd
from filter_ban.engine import Policy
from filter_ban.sensors.blocklist_datagram import Event
from filter_ban.sensors.blocklistd import BlocklistdSensor, Rejection, Report
from tests.filter_ban.daemon.blocklist_client import (
    ABUSE,
    BAD_USER,
    FAILURE,
    SUCCESS,
    bound,
    connection,
    message,
    send,
    sockaddr,
)
from tests.filter_ban.daemon.process import Daemon, Smtpd, wait_for

BOT, BOT6, OTHER = "198.51.100.66", "2001:db8::66", "198.51.100.7"
US = frozenset({os.getuid()})
NOBODY_UID = pwd.getpwnam("nobody").pw_uid
WAIT_S = 20.0


class Box:
    """The socket as the enforcer opens it, and what has been received there."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "blocklistd.sock"
        listener = _open_blocklistd(self.path, None)
        assert listener.sock is not None
        self.sock = listener.sock

    def take(self) -> Report | Rejection:
        """Receive the one datagram that is there."""
        (one,) = receive(self.sock, US)
        return one

    def reason(self) -> str:
        """Receive the one datagram, which is rejected as malformed; return why."""
        one = self.take()
        assert isinstance(one, Rejection)
        assert one.kind == "malformed"
        return one.why


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """Provide a socket."""
    made = Box(tmp_path)
    with made.sock:
        yield made


def open_files() -> int:
    """Return how many descriptors this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    """Every test leaves as many descriptors open as it found."""
    before = open_files()
    yield
    assert open_files() == before


# --- whom a datagram is about


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_connected_socket_tells_client_and_port(box: Box, family: socket.AddressFamily) -> None:
    """Whatever address the datagram has in it."""
    for address in ("", BOT, BOT6):
        with connection(family) as (sock, peer, port):
            send(box.path, message(FAILURE, sockaddr(address), b"ssh"), sock.fileno())
            assert box.take() == Report(Event.FAILURE, peer, port, "tcp", "ssh")


@pytest.mark.parametrize(
    ("kind", "protocol"), [(socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")], ids=["tcp", "udp"]
)
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.parametrize("address", [BOT, BOT6])
def test_one_that_is_not_connected_leaves_it_to_the_datagram(
    box: Box, kind: socket.SocketKind, protocol: str, family: socket.AddressFamily, address: str
) -> None:
    """An IPv4 socket with an IPv6 address too: such a pair stops blocklistd."""
    with bound(kind, family) as (sock, port):
        send(box.path, message(ABUSE, sockaddr(address)), sock.fileno())
        assert box.take() == Report(Event.ABUSE, address, port, protocol, "test")


def test_a_connected_udp_socket(box: Box) -> None:
    """Its peer is the client."""
    with bound(socket.SOCK_DGRAM) as (sock, port):
        sock.connect(("127.0.0.9", 9))
        send(box.path, message(BAD_USER, sockaddr(BOT)), sock.fileno())
        assert box.take() == Report(Event.BAD_USER, "127.0.0.9", port, "udp", "test")


@pytest.mark.parametrize("size", [144, 145, 149, 151, 272, 511, 512, 513, 4000])
def test_lengths(box: Box, size: int) -> None:
    """From the head alone to much more than is read."""
    with bound() as (sock, port):
        send(box.path, message(SUCCESS, sockaddr(BOT), b"x" * (size - 144)), sock.fileno())
        text = "x" * min(size - 144, 128)
        assert box.take() == Report(Event.SUCCESS, BOT, port, "tcp", text)


# --- what is not heeded


@pytest.mark.parametrize(
    ("datagram", "why"),
    [
        (b"", "0 bytes are too few"),
        (message(FAILURE)[:143], "143 bytes are too few"),
        (message(FAILURE, sockaddr(BOT), version=2), "version 2 is unknown"),
        (message(5, sockaddr(BOT)), "event 5 is unknown"),
        (message(FAILURE), "neither its socket nor itself tells whom it is about"),
        (message(FAILURE, sockaddr(BOT) + bytes(12)), "neither its socket nor itself tells whom it is about"),
    ],
)
def test_malformed(box: Box, datagram: bytes, why: str) -> None:
    """It is said why, and the descriptor is closed."""
    with bound() as (sock, _):
        send(box.path, datagram, sock.fileno())
        assert box.reason() == why


@pytest.mark.parametrize("number", [0, 2, 3, 253])
def test_one_descriptor_and_no_other_number(box: Box, number: int) -> None:
    """All that came are closed."""
    with bound() as (sock, _):
        send(box.path, message(FAILURE, sockaddr(BOT)), *[sock.fileno()] * number)
        before = open_files()
        assert box.reason() == "comes with other than one descriptor"
        assert open_files() == before


@contextlib.contextmanager
def pipe() -> Iterator[int]:
    """Provide a descriptor that is no socket."""
    reading, writing = os.pipe()
    yield reading
    os.close(reading)
    os.close(writing)


@contextlib.contextmanager
def unix() -> Iterator[int]:
    """Provide a socket of no network."""
    with socket.socket(socket.AF_UNIX) as sock:
        yield sock.fileno()


@contextlib.contextmanager
def netlink() -> Iterator[int]:
    """Provide a socket of a family that has other addresses."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM) as sock:
        yield sock.fileno()


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (pipe, "its descriptor is no socket"),
        (unix, "its socket is not of TCP or UDP"),
        (netlink, "its socket is not of TCP or UDP"),
    ],
)
def test_a_descriptor_of_something_else(
    box: Box, other: Callable[[], contextlib.AbstractContextManager[int]], why: str
) -> None:
    """It is closed, and the sender's own stays as it was."""
    with other() as descriptor:
        send(box.path, message(FAILURE, sockaddr(BOT)), descriptor)
        assert box.reason() == why
        assert os.fstat(descriptor)


def test_without_room_for_descriptors_none_stays_open(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel could not hand over it closes, and it says so."""
    monkeypatch.setattr(blocklistd, "_ROOM", socket.CMSG_SPACE(12) + socket.CMSG_LEN(4))
    with bound() as (sock, _):
        send(box.path, message(FAILURE, sockaddr(BOT)), sock.fileno(), sock.fileno())
        assert box.reason() == "comes with other than one descriptor"


def test_who_may_not_report_is_refused(box: Box) -> None:
    """The kernel tells who sent it."""
    with bound() as (sock, _):
        send(box.path, message(FAILURE, sockaddr(BOT)), sock.fileno(), sock.fileno())
        (one,) = receive(box.sock, frozenset({NOBODY_UID}))
    assert one == Rejection("sender-refused", f"uid {os.getuid()} may not report")


def test_without_credentials_all_are_refused(tmp_path: Path) -> None:
    """A socket that does not ask for them hears nobody."""
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as plain, bound() as (sock, _):
        plain.bind(path)
        send(path, message(FAILURE, sockaddr(BOT)), sock.fileno())
        (one,) = receive(plain, US)
    assert one == Rejection("sender-refused", "no credentials")


def test_a_hundred_thousand_malformed_ones(box: Box) -> None:
    """Each is rejected, with one, two or three descriptors; none of those is left open."""
    with (
        bound() as (sock, _),
        pipe() as other,
        contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as client,
    ):
        client.connect(str(box.path))
        own, two = [sock.fileno()], [sock.fileno(), other]
        kinds = [
            (message(FAILURE, sockaddr(BOT), version=9), own),
            (message(FAILURE, sockaddr(BOT))[:100], own),
            (message(FAILURE, sockaddr(BOT)), two),
            (message(FAILURE, sockaddr(BOT)), [*two, other]),
            (message(FAILURE, sockaddr(BOT)), [other]),
            (message(FAILURE), own),
            (b"", two),
            (b"x" * 600, []),
        ]
        before = open_files()
        rejected = 0
        for number in range(100_000):
            socket.send_fds(client, [kinds[number % 8][0]], kinds[number % 8][1])
            if number % 8 == 7:
                received = receive(box.sock, US)
                rejected += sum(isinstance(one, Rejection) for one in received)
                assert open_files() == before

    assert rejected == 100_000


# --- turns


class Sensor(BlocklistdSensor):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.received: list[Report | Rejection] = []

    def report(self, report: Report) -> None:
        """Remember it."""
        self.received.append(report)

    def reject(self, rejection: Rejection) -> None:
        """Remember it."""
        self.received.append(rejection)


class Rig:
    """A server on a box."""

    def __init__(self, box: Box, uids: frozenset[int]) -> None:
        self.box = box
        self.sensor = Sensor()
        self.turns: list[int] = []  # what had been received at the end of each
        self.server = BlocklistServer(self.sensor, self.settle, box.sock.dup(), uids)

    def settle(self) -> None:
        """Note that a turn is over."""
        self.turns.append(len(self.sensor.received))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait, within bounds, until *condition* holds."""
        deadline_s = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def serving(box: Box, uids: frozenset[int] = US) -> AsyncIterator[Rig]:
    """Provide a server; its thread has ended afterwards."""
    rig = Rig(box, uids)
    rig.server.open()
    try:
        yield rig
    finally:
        await rig.server.close()
        await asyncio.to_thread(rig.server._thread.join, WAIT_S)


def test_a_turn_is_bounded(box: Box) -> None:
    """However much has arrived, the loop counts no more than BURST of it before others have their turn."""

    async def flood() -> None:
        async with serving(box) as rig:
            with bound() as (sock, _):
                for _ in range(10 * BURST):
                    await asyncio.to_thread(send, box.path, message(FAILURE, sockaddr(BOT)), sock.fileno())
            await rig.until(lambda: len(rig.sensor.received) == 10 * BURST)
            ends = [0, *rig.turns]
            assert max(end - start for start, end in itertools.pairwise(ends)) <= BURST

    asyncio.run(flood())


def test_no_more_than_a_burst_is_received_at_once(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest waits in the socket for the next turn."""
    monkeypatch.setattr(blocklistd, "BURST", 3)
    with bound() as (sock, _):
        for _ in range(5):
            send(box.path, message(FAILURE, sockaddr(BOT)), sock.fileno())
    assert [len(receive(box.sock, US)) for _ in range(3)] == [3, 2, 0]


def lingering() -> int:
    """Return a descriptor whose close waits for a peer that reads nothing, for an hour."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        LINGERERS.append(listener.accept()[0])
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            client.send(bytes(1 << 20))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
    return client.detach()


LINGERERS: list[socket.socket] = []


@pytest.fixture
def lingerers() -> Iterator[None]:
    """End what lingers."""
    yield
    while LINGERERS:
        LINGERERS.pop().close()


@pytest.mark.usefixtures("lingerers")
def test_the_loop_waits_for_no_close(box: Box) -> None:
    """A socket whose close takes an hour holds up neither the loop nor, from who may not report, the next report."""
    descriptor = lingering()
    send(box.path, message(FAILURE), descriptor)
    os.close(descriptor)
    send(box.path, message(FAILURE))

    async def refuse() -> None:
        async with serving(box, frozenset({NOBODY_UID})) as rig:
            await rig.until(lambda: len(rig.sensor.received) == 2)

    asyncio.run(refuse())

    descriptor = lingering()
    send(box.path, message(FAILURE), descriptor)
    os.close(descriptor)

    async def hang() -> None:
        async with serving(box) as rig:
            await rig.until(lambda: _unread(box.sock) == 0)
            for _ in range(100):
                await asyncio.sleep(0)
            assert rig.sensor.received == []
            LINGERERS.pop().close()  # a reset, which ends the wait
            await rig.until(lambda: len(rig.sensor.received) == 1)

    asyncio.run(hang())


def _unread(sock: socket.socket) -> int:
    (size,) = struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, bytes(4)))
    return int(size)


# --- the daemon


MANUAL = Path(__file__).parents[3] / "docs" / "firewall" / "blocklistd.md"


def test_the_manuals_settings() -> None:
    """They are valid, and the limits are those of the services that they name."""
    config = parse_config(MANUAL.read_text().split("```toml")[1].split("```")[0])
    policy = Policy.compile(config)

    assert str(config.blocklistd.socket) == "/var/run/blocklistd.sock"
    exemption = policy.exemption(make_key(pack_address(BOT), 32), "blocklistd 22/tcp")
    assert exemption is not None
    assert [limit.text for limit in exemption.limits] == ["3 in 6h"]
    assert policy.exemption(make_key(pack_address(BOT), 32), "blocklistd 2222/tcp") is None


SETTINGS = """
[blocklistd]
socket = "{folder}/blocklistd.sock"
users = ["{user}"]
[[override]]
services = ["blocklistd {port}"]
windows = ["3 in 1h"]
"""


@contextlib.contextmanager
def reporter(daemon: Daemon, user: str = "root") -> Iterator[Callable[..., None]]:
    """Start the daemon; provide the function that reports to it with a socket of a service."""
    path = daemon.folder / "blocklistd.sock"
    with bound() as (sock, port):
        daemon.configure(SETTINGS.format(folder=daemon.folder, user=user, port=port))
        daemon.start()

        def report(event: int, address: str, *extra: int) -> None:
            send(path, message(event, sockaddr(address)), sock.fileno(), *extra)

        yield report


def test_three_failures_ban(daemon: Daemon) -> None:
    """By the limits of their service; a bad user counts, a success does not, abuse suffices alone."""
    with reporter(daemon) as report:
        for event in (FAILURE, SUCCESS, FAILURE, BAD_USER):
            assert daemon.bans() == {}
            report(event, BOT)
        report(ABUSE, BOT6)
        bans = wait_for(lambda: len(daemon.bans()) == 2 and daemon.bans(), "two are banned")

        assert {client: ban["rule"] for client, ban in bans.items()} == {
            BOT: "3 in 1h",
            "2001:db8::/64": "reported",
        }
        events = daemon.status()["events"]
        assert events == {"auth-fail": 3, "bad-user": 1, "auth-pass": 1, "reported": 1}


def test_a_flood_does_not_hold_up_an_answer(daemon: Daemon) -> None:
    """While malformed datagrams are sent without end, an smtpd and the operator are answered."""
    with reporter(daemon) as report:
        report(FAILURE, BOT)
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                while True:
                    report(0, BOT, 0)
            os._exit(0)
        try:
            wait_for(lambda: daemon.status()["events"].get("malformed", 0) > 1000, "the flood is on")
            assert Smtpd(daemon).connect(OTHER)[1] == "proceed"
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)


def test_what_is_sent_while_the_engine_is_replaced_is_heard(daemon: Daemon) -> None:
    """The socket is the enforcer's; a daemon that follows one which was killed takes its place."""
    with reporter(daemon) as report:
        report(FAILURE, BOT)
        wait_for(lambda: daemon.status()["events"].get("auth-fail") == 1, "it is counted")
        engine = daemon.engine_pid()
        os.kill(engine, 9)
        report(FAILURE, OTHER)
        wait_for(lambda: daemon.engine_pid() != engine, "another engine runs")
        wait_for(lambda: daemon.status()["events"].get("auth-fail") == 1, "the report was kept for it")

        daemon.kill_enforcer()
        daemon.start()
        assert [one["problem"] for one in daemon.status()["listeners"] if one["service"] == "blocklistd"] == [
            ""
        ]
        report(FAILURE, OTHER)
        wait_for(lambda: daemon.status()["events"].get("auth-fail") == 1, "it hears")
