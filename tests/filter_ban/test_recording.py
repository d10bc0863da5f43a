# SPDX-License-Identifier: ISC
"""Recordings: what they tell, what they do not, and what happens when the disk will not have them."""

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from filter_ban.model import Kind
from filter_ban.recording import HEADER, MAX_WAITING, Encoder, Recorder
from filter_ban.signals import Signal

USERS = {
    "empty": ("", None, None),
    "bare": ("alice", True, None),
    "with a domain": ("Alice@Example.ORG", True, "example.org"),
    "a password in its place": ("hunter2@!", True, None),
    "not a domain": ("x@y z", True, None),
    "in clear": ("Trap@Example.net", False, "example.net"),
}


def signal(number: float = 0, user: str = "", secret: int = 0) -> Signal:
    """Return a signal."""
    return Signal(1_763_690_000 + number, Kind.AUTH_FAIL, "192.0.2.7", "dovecot imap", user, 7, secret)


def write(path: Path, signals: Sequence[Signal], max_file_bytes: int = 1 << 20) -> Recorder:
    """Record *signals*, as a process does from its start to its end."""
    recorder = Recorder(path, Encoder(b"key"), max_file_bytes)
    for item in signals:
        recorder.record(item)
    recorder.start()
    recorder.stop(10)
    return recorder


@pytest.mark.parametrize(("user", "hidden", "domain"), USERS.values(), ids=USERS.keys())
def test_user(user: str, hidden: bool | None, domain: str | None) -> None:
    """A name is a hash, with its domain in clear; the same for any letter case."""
    encoder = Encoder(b"key", in_clear=["trap@example.net"])
    recorded = json.loads(encoder.encode(signal(user=user))).get("user")
    if hidden is None:
        assert recorded is None
        return
    local, _, rest = recorded.partition("@")
    assert (rest or None) == domain
    assert (local != user.casefold().partition("@")[0]) is hidden
    assert recorded == json.loads(encoder.encode(signal(user=user.upper())))["user"]
    assert not hidden or recorded != json.loads(Encoder(b"other").encode(signal(user=user)))["user"]


def test_secret() -> None:
    """Two tries of one process can be told to be the same; nothing connects them with those of another."""

    def recorded(encoder: Encoder, secret: int) -> object:
        return json.loads(encoder.encode(signal(secret=secret))).get("secret")

    one, other = Encoder(b"key"), Encoder(b"key")
    assert recorded(one, 0) is None
    assert recorded(one, 4711) == recorded(one, 4711) != recorded(one, 4712)
    assert recorded(one, 4711) != recorded(other, 4711)


def test_file(tmp_path: Path) -> None:
    """A file begins with its format and version, holds a line for each signal, and is for its owner alone."""
    path = tmp_path / "signals"
    recorder = write(path, [signal(number) for number in range(600)])
    header, *lines = path.read_bytes().splitlines(keepends=True)
    assert header == HEADER
    assert [json.loads(line)["time"] - 1_763_690_000 for line in lines] == [*range(600)]
    assert (recorder.written, recorder.lost, recorder.trouble) == (600, 0, "")
    assert path.stat().st_mode & 0o777 == 0o600


def test_next_process(tmp_path: Path) -> None:
    """A process goes on in the file of the one before, behind a line that may be cut."""
    path = tmp_path / "signals"
    write(path, [signal()])
    path.write_bytes(path.read_bytes()[:-9])
    write(path, [signal()])
    lines = path.read_bytes().splitlines(keepends=True)
    assert [line == HEADER for line in lines] == [True, False, True, False]


def test_rotation(tmp_path: Path) -> None:
    """A full file becomes FILE.1, in place of the one before; both are bounded and begin with a header."""
    path = tmp_path / "signals"
    write(path, [signal(number) for number in range(5000)], max_file_bytes=100_000)
    files = sorted(tmp_path.iterdir())
    assert files == [path, tmp_path / "signals.1"]
    for file in files:
        assert file.stat().st_size <= 100_000 + len(HEADER)
        assert file.read_bytes().startswith(HEADER)
    assert b'"time":1763694999,' in path.read_bytes()


def test_trouble(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be written is lost and counted, and told once; when it can be again, it is."""
    path = tmp_path / "folder" / "signals"
    recorder = write(path, [signal(number) for number in range(600)])
    assert (recorder.written, recorder.lost) == (0, 600)
    assert "No such file" in recorder.trouble
    assert [record.getMessage().split()[0] for record in caplog.records] == ["recording-lost"]
    path.parent.mkdir()
    recorder = write(path, [signal()])
    assert (recorder.written, recorder.lost, recorder.trouble) == (1, 0, "")


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full in the middle of a batch, what is written of it is taken back."""
    path = tmp_path / "signals"
    write(path, [signal()])
    before = path.read_bytes()
    write_some = os.write

    def fill_disk(file: int, content: bytes) -> int:
        monkeypatch.setattr(os, "write", fail)
        return write_some(file, content[:100])

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", fill_disk)
    recorder = write(path, [signal(), signal()])
    assert (recorder.written, recorder.lost) == (0, 2)
    assert path.read_bytes() == before


def test_link(tmp_path: Path) -> None:
    """A symbolic link in the place of the file is not followed."""
    path = tmp_path / "signals"
    path.symlink_to(tmp_path / "elsewhere")
    assert write(path, [signal()]).lost == 1
    assert not (tmp_path / "elsewhere").exists()


def test_flood(tmp_path: Path) -> None:
    """What comes faster than it can be written is bounded, and the rest counted."""
    recorder = Recorder(tmp_path / "signals", Encoder(b"key"))
    item = signal()
    for _ in range(MAX_WAITING + 3):
        recorder.record(item)
    assert recorder.lost == 3
