# SPDX-License-Identifier: ISC
"""Listening sockets: what is opened, what is given, and what cannot be had."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_ban.config import Config, parse_config
from filter_ban.enforcer import listeners as module
from filter_ban.enforcer.listeners import Listener, listen
from filter_ban.sender import sender_uid

OFF = "[postfix]\nlisten = []\n"


@pytest.fixture
def opened() -> Iterator[list[Listener]]:
    """Provide a list whose listeners are closed after the test."""
    listeners: list[Listener] = []
    yield listeners
    for listener in listeners:
        if listener.sock is not None:
            listener.sock.close()


@pytest.fixture
def busy_port() -> Iterator[int]:
    """Provide a port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_relay_and_operator_have_their_sockets(tmp_path: Path, opened: list[Listener]) -> None:
    """Anybody may reach relay.sock, only its owner control.sock; a dead daemon's socket is replaced."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "relay.sock"))
    opened += listen(parse_config(OFF), tmp_path, None)

    modes = {listener.service: stat.S_IMODE(Path(listener.endpoint).stat().st_mode) for listener in opened}
    assert modes == {"relay.sock": 0o666, "control.sock": 0o660}
    for listener in opened:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(listener.endpoint)


def test_what_is_no_socket_is_not_replaced(tmp_path: Path) -> None:
    """A file in the place of a socket stays."""
    (tmp_path / "relay.sock").write_text("precious")
    with pytest.raises(FileExistsError, match="no socket"):
        listen(parse_config(OFF), tmp_path, None)
    assert (tmp_path / "relay.sock").read_text() == "precious"


def test_other_servers_have_their_endpoints(tmp_path: Path, opened: list[Listener]) -> None:
    """Each endpoint of the configuration is listened on, of either family and on a unix socket."""
    content = f"""
    [postfix]
    listen = ["127.0.0.1:0", "unix:{tmp_path}/policy"]
    [dovecot]
    listen = ["[::1]:0"]
    [decoy]
    listen = ["127.0.0.1:0"]
    [metrics]
    listen = ["127.0.0.1:0"]
    """
    opened += listen(parse_config(content), tmp_path, None)

    assert [(listener.service, listener.endpoint) for listener in opened[2:]] == [
        ("postfix", "127.0.0.1:0"),
        ("postfix", f"unix:{tmp_path}/policy"),
        ("dovecot", "[::1]:0"),
        ("decoy", "127.0.0.1:0"),
        ("metrics", "127.0.0.1:0"),
    ]
    for listener in opened[2:]:
        assert listener.sock is not None
        with socket.socket(listener.sock.family) as client:
            client.connect(listener.sock.getsockname())


def test_an_endpoint_that_cannot_be_had_stops_nothing(
    tmp_path: Path, opened: list[Listener], busy_port: int
) -> None:
    """It is told apart by its problem; all the rest is listened on."""
    opened += listen(parse_config(f'[postfix]\nlisten = ["127.0.0.1:{busy_port}"]'), tmp_path, None)

    assert [listener.service for listener in opened if listener.sock is not None] == [
        "relay.sock",
        "control.sock",
    ]
    assert opened[-1].endpoint == f"127.0.0.1:{busy_port}"
    assert "in use" in opened[-1].problem


def test_the_policy_service_is_on_by_default() -> None:
    """On loopback, on the port that the manual names; Dovecot's endpoint and the decoy are off."""
    assert [str(endpoint) for endpoint in Config().postfix.listen] == ["127.0.0.1:10040"]
    assert Config().dovecot.listen == Config().decoy.listen == ()


def test_sockets_of_systemd_are_used(
    tmp_path: Path, opened: list[Listener], monkeypatch: pytest.MonkeyPatch, busy_port: int
) -> None:
    """They replace our own of the same service; names that are not ours are left alone."""
    ours, foreign = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    with ours, foreign:
        first = min(ours.fileno(), foreign.fileno())
        names = ["", "", "", ""]
        names[ours.fileno() - first], names[foreign.fileno() - first] = "postfix", "other"
        monkeypatch.setattr(module, "_SYSTEMD_FIRST_FD", first)
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        monkeypatch.setenv("LISTEN_FDNAMES", ":".join(names))
        opened += listen(parse_config(f'[postfix]\nlisten = ["127.0.0.1:{busy_port}"]'), tmp_path, None)

        services = [(listener.service, listener.problem) for listener in opened]
        assert services == [("postfix", ""), ("relay.sock", ""), ("control.sock", "")]
        assert opened[0].sock is not None
        assert opened[0].sock.detach() == ours.fileno()
        assert "LISTEN_PID" not in os.environ


def blocklistd(path: Path) -> Config:
    """Return a configuration with blocklistd's socket at *path*, and nothing else."""
    return parse_config(f'{OFF}[blocklistd]\nsocket = "{path}"\n')


def test_blocklistd_has_its_socket(tmp_path: Path, opened: list[Listener]) -> None:
    """Anybody may send there, and the kernel tells who; what a dead daemon left is replaced."""
    path = tmp_path / "blocklistd.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(path))
    opened += listen(blocklistd(path), tmp_path, None)

    sock = opened[-1].sock
    assert sock is not None
    assert ("blocklistd", str(path), "") == (opened[-1].service, opened[-1].endpoint, opened[-1].problem)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.sendto(b"x", str(path))
    assert sender_uid(sock.recvmsg(1, 1000)[1]) == os.getuid()
    with pytest.raises(BlockingIOError):
        sock.recv(1)


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_living_blocklistd_keeps_its_socket(
    tmp_path: Path, opened: list[Listener], monkeypatch: pytest.MonkeyPatch, kind: socket.SocketKind
) -> None:
    """Who serves the place is left alone, and we say what is wrong."""
    monkeypatch.setattr(module, "_LEAVING_S", 0.0)
    path = tmp_path / "blocklistd.sock"
    with socket.socket(socket.AF_UNIX, kind) as living:
        living.bind(str(path))
        if kind == socket.SOCK_STREAM:
            living.listen()
        number = path.stat().st_ino
        opened += listen(blocklistd(path), tmp_path, None)

        assert opened[-1].sock is None
        assert opened[-1].problem
        assert path.stat().st_ino == number


def test_blocklistd_cannot_have_what_is_no_socket(tmp_path: Path, opened: list[Listener]) -> None:
    """A file stays; a folder that is not there is not made."""
    path = tmp_path / "file"
    path.write_text("precious")
    opened += listen(blocklistd(path), tmp_path, None)
    assert "no socket" in opened[-1].problem
    assert path.read_text() == "precious"

    opened += (other := listen(blocklistd(tmp_path / "no" / "socket"), tmp_path, None))
    assert "No such file" in other[-1].problem


@pytest.mark.parametrize(
    ("kind", "problem"),
    [(socket.SOCK_DGRAM, ""), (socket.SOCK_STREAM, "must be a unix socket for datagrams")],
)
def test_blocklistds_socket_of_systemd(
    tmp_path: Path,
    opened: list[Listener],
    monkeypatch: pytest.MonkeyPatch,
    kind: socket.SocketKind,
    problem: str,
) -> None:
    """It is used in place of our own, if it is of the right kind."""
    given = socket.socket(socket.AF_UNIX, kind).detach()
    monkeypatch.setattr(module, "_SYSTEMD_FIRST_FD", given)
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDNAMES", "blocklistd")
    opened += listen(blocklistd(tmp_path / "unused"), tmp_path, None)

    assert ("blocklistd", "systemd", problem) == (opened[0].service, opened[0].endpoint, opened[0].problem)
    assert [listener.service for listener in opened[1:]] == ["relay.sock", "control.sock"]
    assert not (tmp_path / "unused").exists()
