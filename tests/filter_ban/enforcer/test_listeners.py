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
    """
    opened += listen(parse_config(content), tmp_path, None)

    assert [(listener.service, listener.endpoint) for listener in opened[2:]] == [
        ("postfix", "127.0.0.1:0"),
        ("postfix", f"unix:{tmp_path}/policy"),
        ("dovecot", "[::1]:0"),
        ("decoy", "127.0.0.1:0"),
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
