# SPDX-License-Identifier: ISC
"""
The ledger as files: the database, SQLite's ``-wal`` and ``-shm`` beside it, and their folder.

Nothing here deletes: what is damaged is renamed. Nothing here opens a database in use, and nothing else in the process
may: closing any descriptor of it would drop SQLite's locks (fcntl(2), POSIX locks belong to the process).
"""

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from filter_ban.ledger.errors import LedgerError, Trouble

MAX_SET_ASIDE: Final = 60  # three for each; a disk that damages every file must not be filled with them
_COMPANIONS: Final = ("-wal", "-shm")  # SQLite finds them by these names only

FileId = tuple[int, int]  # device and inode


def companion(path: Path, suffix: str) -> Path:
    """Return the path of SQLite's companion file with that *suffix*."""
    return path.with_name(path.name + suffix)


def size_of(path: Path) -> int | None:
    """Return the size in bytes; None only where nothing of that name exists."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def create(path: Path) -> None:
    """
    Make an empty file that only its owner may read, and its folder where missing.

    Raises:
        OSError: That cannot be done, or something of that name exists.

    """
    if not path.parent.is_dir():
        path.parent.mkdir(mode=0o700, parents=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def identity(path: Path) -> tuple[FileId | None, FileId | None]:
    """Return what tells the database and the ``-wal`` file now at *path* from others; None for what is not there."""
    return _file_id(path), _file_id(companion(path, "-wal"))


def _file_id(path: Path) -> FileId | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def set_aside(path: Path, now_s: float) -> Path:
    """
    Rename a damaged database to ``NAME.corrupt-TIME`` and its companions with it; return the new path.

    Raises:
        LedgerError: That was done too often.
        OSError: A rename failed.

    """
    # The database last: while it stands, a second try finds it damaged again.
    return _rename(path, now_s, (*_COMPANIONS, ""))


def set_aside_stale(path: Path, own: tuple[FileId | None, FileId | None], now_s: float) -> None:
    """Rename the companions that outlived the database of the identity *own*. Raises: as :func:`set_aside`."""
    main, wal = identity(path)
    if main != own[0] and wal == own[1] and wal is not None:
        _rename(path, now_s, _COMPANIONS)


def _rename(path: Path, now_s: float, suffixes: Iterable[str]) -> Path:
    names = {file.name for file in path.parent.iterdir() if file.name.startswith(f"{path.name}.corrupt-")}
    if len(names) >= MAX_SET_ASIDE:
        raise LedgerError(
            Trouble.CORRUPT, path, f"{len(names)} damaged files were set aside already: move them away"
        )
    stamp = f"{path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now_s))}"
    numbered = (stamp, *(f"{stamp}-{number}" for number in range(2, MAX_SET_ASIDE + 2)))
    target = path.with_name(
        next(name for name in numbered if names.isdisjoint(name + suffix for suffix in ("", *_COMPANIONS)))
    )
    for suffix in suffixes:
        with contextlib.suppress(FileNotFoundError):
            companion(path, suffix).rename(companion(target, suffix))
    return target
