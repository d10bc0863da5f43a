# SPDX-License-Identifier: ISC
"""
Opening the ledger's file for writing: new where there is none, migrated where it is old, rescued where it is damaged.

A damaged file keeps its place until a new one, complete with what could be read of it, is ready to take it: a rescue
that was interrupted is done again.
"""

import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from filter_ban.ledger import files
from filter_ban.ledger.errors import LedgerError, Trouble, translated
from filter_ban.ledger.reader import connect
from filter_ban.ledger.salvage import salvage, salvage_user_key
from filter_ban.ledger.schema import USER_KEY_BYTES, migrate, version_of
from filter_ban.text import excerpt

logger = logging.getLogger(__name__)

# A check of this size takes about 0.2 s; faults of a larger file show in use.
MAX_CHECKED_BYTES: Final = 128 * 1024 * 1024
# What a long reader made the -wal file grow to is given back.
WAL_LIMIT_BYTES: Final = 16 * 1024 * 1024


def open_file(path: Path, now_s: float, user_key: bytes | None, *, damaged: bool) -> sqlite3.Connection:
    """
    Return a connection to a sound file of the newest version that can be written.

    Args: as for :meth:`filter_ban.ledger.store.Ledger.open`.

    Raises:
        LedgerError: The file cannot be used.

    """
    user_key = user_key or os.urandom(USER_KEY_BYTES)
    if not damaged:
        try:
            with translated(path):
                return _open(path, user_key)
        except LedgerError as error:
            if error.trouble is not Trouble.CORRUPT:
                raise
    with translated(path):
        _rescue(path, now_s, user_key)
        return _open(path, user_key)


def _open(path: Path, user_key: bytes) -> sqlite3.Connection:
    salvaged = _beside(path, "salvaged")
    if files.size_of(path) is None and salvaged.exists():  # a rescue was interrupted before its last step
        salvaged.rename(path)
    size = files.size_of(path)
    if not size and files.size_of(files.companion(path, "-wal")):
        raise LedgerError(Trouble.CORRUPT, path, "it is empty, its -wal file is not")
    if size is None:
        files.create(path)
    elif not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        raise LedgerError(Trouble.READ_ONLY, path)
    db = connect(f"{path.absolute().as_uri()}?mode=rw")
    try:
        _prepare(db, path, user_key)
        if size and size <= MAX_CHECKED_BYTES:
            _check(db, path)
        db.execute("BEGIN IMMEDIATE")  # tells whether it can be written
        db.execute("ROLLBACK")
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path, user_key: bytes) -> None:
    version_of(db, path)  # a file that is not ours is not changed
    (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise LedgerError(Trouble.UNUSABLE, path, "its file system does not allow SQLite's WAL mode")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
    migrate(db, path, user_key)


def _check(db: sqlite3.Connection, path: Path) -> None:
    (fault,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if fault != "ok":
        raise LedgerError(Trouble.CORRUPT, path, fault)


def _rescue(path: Path, now_s: float, user_key: bytes) -> None:
    """Set a damaged file aside and put a new one in its place that holds what could be read of it."""
    unfinished, salvaged = _beside(path, "unfinished"), _beside(path, "salvaged")
    for leftover in (unfinished, files.companion(unfinished, "-journal")):
        leftover.unlink(missing_ok=True)
    files.create(unfinished)
    with closing(connect(unfinished.absolute().as_uri())) as db:
        migrate(db, unfinished, salvage_user_key(path) or user_key)
        db.execute("BEGIN")
        bans, strikes, logins = salvage(path, db)
        db.execute("COMMIT")
    unfinished.rename(salvaged)
    wreck = files.set_aside(path, now_s)
    salvaged.rename(path)
    logger.warning(
        "ledger=%s damaged: set aside as %s, saved bans=%d strikes=%d logins=%d",
        excerpt(str(path)),
        excerpt(wreck.name),
        bans,
        strikes,
        logins,
    )


def _beside(path: Path, word: str) -> Path:
    return path.with_name(f"{path.name}.{word}")
