# SPDX-License-Identifier: ISC
"""The socket to the daemon."""

import os
import socket
from pathlib import Path

import pytest

from filter_ban import places
from filter_ban.relay.link import Link


@pytest.fixture
def listener(tmp_path: Path) -> socket.socket:
    """Listen on relay.sock."""
    stream = socket.socket(socket.AF_UNIX)
    stream.bind(str(tmp_path / places.RELAY_SOCKET))
    stream.listen()
    return stream


def test_nobody(tmp_path: Path) -> None:
    """No socket, a socket without a listener and too long a path are told apart."""
    assert isinstance(Link(str(tmp_path)).connect(), FileNotFoundError)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / places.RELAY_SOCKET))
    assert isinstance(Link(str(tmp_path)).connect(), ConnectionRefusedError)
    assert isinstance(Link("/" + "x" * 200).connect(), OSError)


def test_lines(tmp_path: Path, listener: socket.socket) -> None:
    """Lines come as they are complete, an over-long one as an empty one, and the end as None."""
    link = Link(str(tmp_path))
    with listener:
        assert link.fd == -1
        assert link.connect() is None
        assert link.fd >= 0
        daemon, _ = listener.accept()
        with daemon:
            assert link.read() == []
            daemon.sendall(b"a\nb")
            assert link.read() == [b"a"]
            daemon.sendall(b"c\n" + b"x" * 65_000)
            assert link.read() == [b"bc"]
            daemon.sendall(b"x" * 1000)
            assert link.read() == [b""]
            unsent = bytearray(b"1\n2\n")
            assert link.send(unsent)
            assert (len(unsent), daemon.recv(100)) == (0, b"1\n2\n")
        assert link.read() is None
        assert not link.send(bytearray(b"3\n"))
        link.close()
        assert link.fd == -1


def test_full_socket(tmp_path: Path, listener: socket.socket) -> None:
    """What the socket does not take stays."""
    link = Link(str(tmp_path))
    with listener:
        link.connect()
        unsent = bytearray(10_000_000)
        for _ in range(3):
            assert link.send(unsent)
        assert 0 < len(unsent) < 10_000_000
    link.close()


def test_private_folder(tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon in a private folder is trusted only if nobody else could have put it there."""
    monkeypatch.setattr(places, "socket_dirs", lambda configured, uid: ["/nonexistent", str(tmp_path)])
    monkeypatch.setattr(places, "private_dir", lambda uid: str(tmp_path))
    with listener:
        tmp_path.chmod(0o777)
        assert isinstance(Link(None).connect(), PermissionError)
        tmp_path.chmod(0o711)
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert isinstance(Link(None).connect(), PermissionError)
        monkeypatch.undo()
        monkeypatch.setattr(places, "socket_dirs", lambda configured, uid: ["/nonexistent", str(tmp_path)])
        link = Link(None)
        assert link.connect() is None
        link.close()
