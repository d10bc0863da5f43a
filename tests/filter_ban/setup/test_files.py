# SPDX-License-Identifier: ISC
"""Files written at one stroke and put back."""

import errno
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.setup.files import (
    BACKUP,
    UNDONE,
    Change,
    SetupError,
    diff,
    last_backups,
    read,
    require_writable,
    undo_change,
    write,
)

NOW_S = 1_763_700_000.0
STAMP = "20251121T044000Z"


def accept() -> None:
    """Take everything."""


def refuse() -> None:
    """Take nothing."""
    raise SetupError("refused")


def set_up(path: Path, new: bytes, now_s: float = NOW_S) -> Path:
    """Write *new* and return the backup."""
    (backup,) = write([Change(path, read(path), new)], now_s, BACKUP, accept)
    return backup


def undo(path: Path, *, force: bool = False, now_s: float = NOW_S + 1) -> None:
    """Undo the last set-up, as the command does."""
    backups = last_backups([path])
    write([undo_change(backup, force=force) for backup in backups], now_s, UNDONE, accept)
    for backup in backups:
        backup.path.unlink()


def test_diff(tmp_path: Path) -> None:
    """A diff names the file, shows bytes that are no text as escapes, and marks a missing end of line."""
    path = tmp_path / "f"
    assert diff(Change(path, b"a\nb\xff\n", b"a\nc")) == (
        f"--- {path}\n+++ {path}\n@@ -1,2 +1,2 @@\n a\n-b\\xff\n+c\n\\ No newline at end of file\n"
    )
    assert diff(Change(path, None, b"a\n")).startswith(f"--- /dev/null\n+++ {path}\n")
    assert diff(Change(path, b"a\n", None)).startswith(f"--- {path}\n+++ /dev/null\n")
    assert diff(Change(path, b"a", b"a")) == ""


def test_diff_of_a_secret(tmp_path: Path) -> None:
    """A secret is never shown."""
    path = tmp_path / "f.secret"
    for old, new in ((None, b"geheim\n"), (b"geheim\n", None), (b"geheim\n", b"geheim2\n")):
        shown = diff(Change(path, old, new))
        assert str(path) in shown
        assert "geheim" not in shown


def test_write(tmp_path: Path) -> None:
    """A file keeps its mode, and what it held lies beside it under the time; nothing else is left."""
    path = tmp_path / "master.cf"
    path.write_bytes(b"old\n")
    path.chmod(0o640)
    backup = set_up(path, b"new\n")
    assert (path.read_bytes(), backup.read_bytes()) == (b"new\n", b"old\n")
    assert backup.name.startswith(f"master.cf.{STAMP}.")
    assert sorted(tmp_path.iterdir()) == [path, backup]
    assert [stat.S_IMODE(file.stat().st_mode) for file in (path, backup)] == [0o640, 0o640]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_owner(tmp_path: Path) -> None:
    """A file stays with its owner."""
    path = tmp_path / "master.cf"
    path.write_bytes(b"old\n")
    os.chown(path, 65_534, 65_533)
    backup = set_up(path, b"new\n")
    assert [(file.stat().st_uid, file.stat().st_gid) for file in (path, backup)] == [(65_534, 65_533)] * 2


@pytest.mark.parametrize(("name", "mode"), [("f.conf", 0o644), ("f.secret", 0o600)])
def test_new_file(tmp_path: Path, name: str, mode: int) -> None:
    """A new file is readable for all unless it is a secret, and undo removes it."""
    path = tmp_path / name
    set_up(path, b"new\n")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    undo(path)
    (undone,) = tmp_path.iterdir()
    assert undone.read_bytes() == b"new\n"
    assert undone.name.endswith(".undone")


def test_refused(tmp_path: Path) -> None:
    """What the server refuses is put back, all of it."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"old\n")
    old.chmod(0o640)
    with pytest.raises(SetupError, match="refused"):
        write([Change(new, None, b"1\n"), Change(old, b"old\n", b"2\n")], NOW_S, BACKUP, refuse)
    assert [*tmp_path.iterdir()] == [old]
    assert old.read_bytes() == b"old\n"
    assert stat.S_IMODE(old.stat().st_mode) == 0o640


def test_refused_removal(tmp_path: Path) -> None:
    """A file whose removal is refused is there again."""
    path = tmp_path / "f"
    path.write_bytes(b"old\n")
    with pytest.raises(SetupError, match="refused"):
        write([Change(path, b"old\n", None)], NOW_S, UNDONE, refuse)
    assert [(file, file.read_bytes()) for file in tmp_path.iterdir()] == [(path, b"old\n")]


def test_changed_meanwhile(tmp_path: Path) -> None:
    """A file that is not what was shown is left alone, and what was written before it is put back."""
    first, second = tmp_path / "1", tmp_path / "2"
    second.write_bytes(b"other\n")
    with pytest.raises(SetupError, match="is being changed by somebody else"):
        write([Change(first, None, b"new\n"), Change(second, b"old\n", b"new\n")], NOW_S, BACKUP, accept)
    assert [*tmp_path.iterdir()] == [second]


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    """A file may be the first in its folder, as systemd's drop-ins are."""
    path = tmp_path / "x.service.d" / "f"
    write([Change(path, None, b"new\n")], NOW_S, BACKUP, accept)
    assert path.read_bytes() == b"new\n"


def test_no_folder(tmp_path: Path) -> None:
    """What the system refuses is told with the path."""
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match=f"^{tmp_path}/file.*: (Not a directory|File exists)$"):
        write([Change(tmp_path / "file" / "f", None, b"new\n")], NOW_S, BACKUP, accept)


def test_a_mode_is_set_and_restored(tmp_path: Path) -> None:
    """A script can be made executable, and undo takes that back with the content."""
    path = tmp_path / "script"
    path.write_bytes(b"old\n")
    path.chmod(0o640)
    write([Change(path, b"old\n", b"new\n", 0o750)], NOW_S, BACKUP, accept)
    assert path.stat().st_mode & 0o7777 == 0o750

    (backup,) = last_backups([path])
    write([undo_change(backup, force=False)], NOW_S, UNDONE, accept)

    assert (path.read_bytes(), path.stat().st_mode & 0o7777) == (b"old\n", 0o640)


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written whole is not written at all."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "f")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SetupError, match=r"^f: No space left on device$"):
        write([Change(tmp_path / "f", None, b"new\n")], NOW_S, BACKUP, accept)
    assert [*tmp_path.iterdir()] == []


def test_unreadable(tmp_path: Path) -> None:
    """What cannot be read is told with the path."""
    with pytest.raises(SetupError, match=f"^{tmp_path}: Is a directory$"):
        read(tmp_path)


def test_undo_takes_back_one_set_up_after_the_other(tmp_path: Path) -> None:
    """Each undo restores what the newest set-up left behind, down to the first."""
    path = tmp_path / "f"
    path.write_bytes(b"0\n")
    set_up(path, b"1\n", NOW_S)
    set_up(path, b"2\n", NOW_S + 60)
    undo(path, now_s=NOW_S + 70)
    assert path.read_bytes() == b"1\n"
    undo(path, now_s=NOW_S + 80)
    assert path.read_bytes() == b"0\n"
    assert last_backups([path]) == []


def test_clock_set_back(tmp_path: Path) -> None:
    """The last set-up is the last, even within a second or with the clock set back."""
    path = tmp_path / "f"
    path.write_bytes(b"0\n")
    for new, now_s in ((b"1\n", NOW_S), (b"2\n", NOW_S), (b"3\n", NOW_S - 3600)):
        set_up(path, new, now_s)
    for expected in (b"2\n", b"1\n", b"0\n"):
        undo(path)
        assert path.read_bytes() == expected


def test_require_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where this user may not write, that is told before anything is done."""
    require_writable([tmp_path / "f", tmp_path / "none" / "f"])
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SetupError, match=f"^{tmp_path}/f: no permission to write there; try again as root$"):
        require_writable([tmp_path / "f"])


def test_undo_of_several(tmp_path: Path) -> None:
    """Files that were set up together are undone together, the others are not."""
    first, second = tmp_path / "1", tmp_path / "2"
    set_up(first, b"1\n")
    write([Change(first, b"1\n", b"2\n"), Change(second, None, b"2\n")], NOW_S + 1, BACKUP, accept)
    assert [backup.of for backup in last_backups([first, second])] == [first, second]
    assert [backup.of for backup in last_backups([second])] == [second]


def test_undo_of_a_changed_file(tmp_path: Path) -> None:
    """A file that was changed since is not undone, unless forced; then what it held is kept."""
    path = tmp_path / "f"
    path.write_bytes(b"old\n")
    set_up(path, b"new\n")
    path.write_bytes(b"new\nmine\n")
    with pytest.raises(SetupError, match=f"^{path} was changed after the set-up, .*: --force"):
        undo(path)
    undo(path, force=True)
    (undone,) = tmp_path.glob("*.undone")
    assert (path.read_bytes(), undone.read_bytes()) == (b"old\n", b"new\nmine\n")


def test_foreign_backups(tmp_path: Path) -> None:
    """Backups of others are not ours."""
    for name in ("f.bak", "f.20251121T044000Z.bak", f"g.{STAMP}.01234567.bak", f"f.{STAMP}.01234567.bak~"):
        (tmp_path / name).write_bytes(b"")
    assert last_backups([tmp_path / "f", tmp_path / "none" / "f"]) == []


@given(old=st.binary(min_size=1), new=st.binary())
def test_undo_restores_bytes(tmp_path_factory: pytest.TempPathFactory, old: bytes, new: bytes) -> None:
    """Whatever a file held, undo restores it."""
    path = tmp_path_factory.mktemp("undo") / "f"
    path.write_bytes(old)
    set_up(path, new)
    undo(path)
    assert path.read_bytes() == old
