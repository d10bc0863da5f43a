# SPDX-License-Identifier: ISC
"""Finding the daemon and talking with it."""

import os
import pwd
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from filter_ban import places
from filter_ban.cli import daemon_client
from filter_ban.cli.daemon_client import DaemonClient, control_dirs
from filter_ban.cli.failures import Exit, Failure, Unavailable
from filter_ban.config import Config, parse_config

TROUBLES = {
    "closed": (b"", "ended before its answer did"),
    "half a line": (b'{"bans": [', "ended before its answer did"),
    "no JSON": (
        b"450 4.7.1 go away\n",
        "answered what is no answer; is it of another version? Then restart it",
    ),
    "no object": (b"[1, 2]\n", "answered what is no answer; is it of another version? Then restart it"),
    "hostile bytes": (
        b"\xff\x00\x1b[31m\n",
        "answered what is no answer; is it of another version? Then restart it",
    ),
    "deep": (b"[" * 100_000 + b"\n", "answered what is no answer; is it of another version? Then restart it"),
    "huge number": (
        b'{"bans": 1' + b"0" * 5000 + b"}\n",
        "answered what is no answer; is it of another version? Then restart it",
    ),
}


def config_of(folder: Path) -> Config:
    """Return a configuration whose sockets lie in *folder*."""
    return parse_config(f'daemon.socket_dir = "{folder}"')


def test_parts_arrive_in_order(folder: Path, daemon: Any) -> None:
    """An answer is all its parts up to the one that says done; the connection then takes the next request."""
    daemon.answers["list"] = [{"bans": [1]}, {"bans": [2]}]
    daemon.answers["status"] = [{"a": 1}, {"b": 2}]
    with DaemonClient.find(config_of(folder)) as client:
        assert list(client.ask("list", newest=3)) == [{"bans": [1]}, {"bans": [2]}]
        assert client.ask_one("status") == {"a": 1, "b": 2}
    assert daemon.requests == [{"command": "list", "newest": 3}, {"command": "status"}]


def test_refusal(folder: Path, daemon: Any) -> None:
    """An error of the daemon is told in its words, escaped and bounded."""
    daemon.answers["list"] = [{"bans": []}, {"error": "no\x1b[31m" + "x" * 1000}]
    with DaemonClient.find(config_of(folder)) as client, pytest.raises(Failure) as failure:
        list(client.ask("list"))
    assert failure.value.message.startswith("no\\x1b[31mxxx")
    assert len(failure.value.message) == daemon_client.MAX_MESSAGE
    assert failure.value.exit_code == Exit.REFUSED


@pytest.mark.parametrize(("answer", "what"), TROUBLES.values(), ids=TROUBLES.keys())
def test_no_answer(folder: Path, daemon: Any, answer: bytes, what: str) -> None:
    """Bytes that are no answer are told as trouble with the daemon, with its place and what to do."""
    daemon.answers["list"] = answer
    with DaemonClient.find(config_of(folder)) as client, pytest.raises(Unavailable) as failure:
        list(client.ask("list"))
    assert failure.value.message.startswith(f"the daemon at {folder}/control.sock {what}")
    assert failure.value.state == "not answering"
    assert failure.value.exit_code == Exit.UNAVAILABLE


def test_hanging(folder: Path) -> None:
    """A daemon that accepts and says nothing is given up after a time."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "control.sock"))
        listener.listen()
        with DaemonClient.find(config_of(folder)) as client:
            with pytest.raises(Unavailable, match="gives no answer; see its log, and try again"):
                list(client.ask("list", silence_s=0.01))
            with pytest.raises(Unavailable, match="does not read"):
                list(client.ask("ban", silence_s=0.01, clients=["192.0.2.7"] * 1_000_000))


def test_refused_at_the_door(folder: Path) -> None:
    """What a daemon says before it hangs up is told, although it did not read the request."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "control.sock"))
        listener.listen()
        with DaemonClient.find(config_of(folder)) as client:
            connection, _ = listener.accept()
            connection.sendall(b'{"error": "only root may"}\n')
            connection.close()
            with pytest.raises(Failure, match="only root may"):
                list(client.ask("list"))


def test_none_was_ever_started(folder: Path) -> None:
    """Without a socket the error names its place, the cause and the remedy."""
    with pytest.raises(Unavailable) as failure:
        DaemonClient.find(config_of(folder))
    assert failure.value.message == (
        f"no daemon answers at {folder}/control.sock (No such file or directory); start it with: filter-ban serve"
    )
    assert failure.value.state == "not running"


def test_dead(folder: Path, daemon: Any) -> None:
    """A socket that a dead daemon left behind is no daemon."""
    daemon.stop()
    daemon.stop = lambda: None
    with pytest.raises(Unavailable, match=r"control.sock \(Connection refused\); start it with"):
        DaemonClient.find(config_of(folder))


def test_closed_to_us(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that we may not open asks for root, not for a second daemon."""

    def refuse(*_: object) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(daemon_client, "_connect", refuse)
    with pytest.raises(Unavailable, match=r"\(Permission denied\); try again as root") as failure:
        DaemonClient.find(config_of(folder))
    assert failure.value.state == "not reachable"


def test_configured_folder_is_the_only_one(folder: Path) -> None:
    """Where the folder is configured no other is looked into."""
    assert control_dirs(config_of(folder)) == [folder]


@pytest.fixture
def private_dirs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put default and private folders into *folder*."""
    default = folder / "run"
    monkeypatch.setattr(places, "default_socket_dir", lambda: str(default))
    monkeypatch.setattr(places, "private_dir", lambda uid: str(folder / f"of-{uid}"))
    return folder


def test_root_looks_into_private_folders(private_dirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root finds the daemon that a relay's user started, in a folder that is that user's alone, and in no other."""
    uids = {"_filterban": 107, "_smtpd": os.getuid()}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: SimpleNamespace(pw_uid=uids[name]))
    own = private_dirs / f"of-{os.getuid()}"
    assert control_dirs(Config()) == [private_dirs / "run"]
    own.mkdir(mode=0o700)
    (private_dirs / "of-107").mkdir()
    assert control_dirs(Config()) == [private_dirs / "run", own]
    own.chmod(0o777)
    assert control_dirs(Config()) == [private_dirs / "run"]


def test_a_user_looks_into_his_own(private_dirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user looks into the default folder and, if it is his alone, into his own private one."""
    default, own = private_dirs / "run", private_dirs / "of-106"
    monkeypatch.setattr(os, "geteuid", lambda: 106)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert control_dirs(Config()) == [default]
    monkeypatch.setattr(places, "is_private", lambda path, uid: (path, uid) == (str(own), 106))
    assert control_dirs(Config()) == [default, own]


def test_second_place(private_dirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All places are tried in order, and all are named where nobody answers."""
    (private_dirs / "a").mkdir()
    monkeypatch.setattr(daemon_client, "control_dirs", lambda _: [private_dirs / "a", private_dirs])
    with pytest.raises(Unavailable, match=r"a/control.sock \(No such .*\) or .*/control.sock \(No such"):
        DaemonClient.find(Config())
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(private_dirs / "control.sock"))
        listener.listen()
        DaemonClient.find(Config()).__exit__()
