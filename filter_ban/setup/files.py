# SPDX-License-Identifier: ISC
"""
Changes to the configuration files of others: shown as a diff, written at one stroke, kept for undo.

The backup of ``master.cf`` is ``master.cf.TIME.DIGEST.bak`` beside it: the time in UTC, and a digest of what took its
place, which tells at undo whether somebody changed that since. An empty backup that nobody may read says that there was
no file. What an undo replaces is kept as ``master.cf.TIME.DIGEST.undone``.
"""

import calendar
import difflib
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

BACKUP: Final = "bak"
UNDONE: Final = "undone"
SECRET_SUFFIX: Final = ".secret"  # noqa: S105 - of a name

_STAMP: Final = "%Y%m%dT%H%M%SZ"
_BACKUP_SUFFIX: Final = re.compile(
    rf"\.(?P<stamp>[0-9]{{8}}T[0-9]{{6}}Z)\.(?P<digest>[0-9a-f]{{8}})\.{BACKUP}"
)
_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")
_ABSENT_MODE: Final = 0o000
_PRIVATE_MODE: Final = 0o600
_USUAL_MODE: Final = 0o644


class SetupError(Exception):
    """A set-up that was not done, with nothing changed. The text says what, why and what to do."""


@attrs.frozen
class Change:
    """
    What becomes of one file; None stands for no file.

    Its owner stays, and its mode unless *mode* is given.
    """

    path: Path
    old: bytes | None
    new: bytes | None
    mode: int | None = None

    @property
    def secret(self) -> bool:
        """Whether the content is never shown, and a new file is for its owner alone."""
        return self.path.suffix == SECRET_SUFFIX

    @property
    def alters(self) -> bool:
        """Whether it is a change at all."""
        return self.old != self.new or self.mode not in (None, _mode(self.path))


@attrs.frozen
class Backup:
    """A file as it was before a set-up; ``digest`` is that of what the set-up wrote."""

    path: Path
    of: Path
    stamp: str
    digest: str


def read(path: Path) -> bytes | None:
    """
    Return the content of a file; None: there is none.

    Raises:
        SetupError: it cannot be read.

    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _trouble(error) from None


def diff(change: Change) -> str:
    """Return the unified diff of a change; empty if there is none."""
    if not change.alters:
        return ""
    if change.secret:
        return f"{change.path}: {'removed' if change.new is None else 'written, not shown: it holds the secret'}\n"
    before, after = (
        "/dev/null" if content is None else str(change.path) for content in (change.old, change.new)
    )
    lines = difflib.unified_diff(_lines(change.old), _lines(change.new), before, after)
    shown = "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
    if change.mode not in (None, _mode(change.path)):
        shown += f"{change.path}: mode {change.mode:o}\n"
    return shown


def require_writable(paths: Sequence[Path]) -> None:
    """
    Make sure that this user may write.

    Raises:
        SetupError: not to one of the folders.

    """
    for path in paths:
        if path.parent.is_dir() and not os.access(path.parent, os.W_OK | os.X_OK):
            raise SetupError(f"{path}: no permission to write there; try again as root")


def write(changes: Sequence[Change], now_s: float, suffix: str, accept: Callable[[], None]) -> list[Path]:
    """
    Write *changes*, all or none, and return the copies of what they replace.

    Args:
        changes: To different files.
        now_s: Part of the copies' names, put off behind that of the last backup.
        suffix: The same: BACKUP or UNDONE.
        accept: Called when all is written; if it raises, all is put back.

    Raises:
        SetupError: a file was changed meanwhile, cannot be written, or *accept* says so.

    """
    stamp = _stamp([change.path for change in changes], now_s)
    kept: list[tuple[Change, Path]] = []
    try:
        for change in changes:
            if read(change.path) != change.old:
                raise SetupError(f"{change.path} is being changed by somebody else; try again")  # noqa: TRY301 - undone below
            copy = change.path.with_name(f"{change.path.name}.{stamp}.{_digest(change.new)}.{suffix}")
            change.path.parent.mkdir(parents=True, exist_ok=True)
            _put(copy, change.old or b"", like=change.path, mode=_ABSENT_MODE)
            kept.append((change, copy))
            if change.new is None:
                change.path.unlink()
            else:
                _put(
                    change.path,
                    change.new,
                    like=change.path,
                    mode=_PRIVATE_MODE if change.secret else _USUAL_MODE,
                )
                if change.mode is not None:
                    change.path.chmod(change.mode)
        accept()
    except BaseException as error:
        for change, copy in reversed(kept):
            _put_back(change, copy)
        if isinstance(error, OSError):
            raise _trouble(error) from None
        raise
    return [copy for _, copy in kept]


def last_backups(paths: Sequence[Path]) -> list[Backup]:
    """Return the backups that the last set-up of *paths* made, all at one time."""
    backups = [backup for path in paths for backup in _backups(path)]
    last = max((backup.stamp for backup in backups), default="")
    return [backup for backup in backups if backup.stamp == last]


def undo_change(backup: Backup, *, force: bool) -> Change:
    """
    Return the change that restores a backup.

    Args:
        backup: Of :func:`last_backups`.
        force: Also if somebody changed the file since.

    Raises:
        SetupError: somebody did, or a file cannot be read.

    """
    now = read(backup.of)
    if _digest(now) != backup.digest and not force:
        raise SetupError(
            f"{backup.of} was changed after the set-up, and going back to {backup.path.name} would take that out too; "
            "to do so: --force (the present file is kept beside it)"
        )
    mode = _mode(backup.path)
    if mode == _ABSENT_MODE:
        return Change(backup.of, now, None)
    return Change(backup.of, now, read(backup.path), mode)


def _backups(path: Path) -> Iterator[Backup]:
    for beside in sorted(path.parent.glob("*")):
        found = beside.name.startswith(path.name) and _BACKUP_SUFFIX.fullmatch(beside.name, len(path.name))
        if found:
            yield Backup(beside, path, found["stamp"], found["digest"])


def _stamp(paths: Sequence[Path], now_s: float) -> str:
    """Return a time behind that of all backups, whatever the clock says, so that the last set-up is the last."""
    last_s = max(
        (calendar.timegm(time.strptime(backup.stamp, _STAMP)) for backup in last_backups(paths)), default=0
    )
    return time.strftime(_STAMP, time.gmtime(max(now_s, last_s + 1)))


def _lines(content: bytes | None) -> list[str]:
    return _LINE.findall((content or b"").decode(errors="backslashreplace"))


def _mode(path: Path) -> int | None:
    return path.stat().st_mode & 0o7777 if path.exists() else None


def _digest(content: bytes | None) -> str:
    return hashlib.sha256(content or b"").hexdigest()[:8]


def _put(path: Path, content: bytes, *, like: Path, mode: int) -> None:
    """Write a file at one stroke, with mode and owner of *like*, or with *mode* where that does not exist."""
    status = like.stat() if like.exists() else None
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if status is not None:
                os.fchown(descriptor, status.st_uid, status.st_gid)
            os.fchmod(descriptor, mode if status is None else status.st_mode & 0o7777)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise


def _put_back(change: Change, copy: Path) -> None:
    if change.old is None:
        change.path.unlink(missing_ok=True)
        copy.unlink()
    else:
        copy.replace(change.path)


def _trouble(error: OSError) -> SetupError:
    remedy = "; try again as root" if isinstance(error, PermissionError) else ""
    return SetupError(f"{error.filename}: {error.strerror}{remedy}")
