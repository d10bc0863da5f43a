# SPDX-License-Identifier: ISC
"""
The tables, and how a file of an older version becomes one of this version.

Migrations are numbered and go forward only: ``MIGRATIONS[n]`` turns version n into version n + 1, and version 0 is an
empty file. Published ones never change. The version is SQLite's ``user_version``.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from filter_ban.ledger import files
from filter_ban.ledger.errors import LedgerError, Trouble

APPLICATION_ID: Final = int.from_bytes(b"fban")  # marks the file as ours, see file(1)
USER_KEY_BYTES: Final = 16
_SMALLEST_BYTES: Final = 512  # one page; SQLite takes anything shorter for an empty database

_VERSION_1: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID",
    # Ended bans stay for the offence memory. A ban that a longer one replaced ends where that one begins.
    """
    CREATE TABLE ban (
        id INTEGER PRIMARY KEY,
        client TEXT NOT NULL,  -- canonical text of the client key
        start_s INTEGER NOT NULL,
        end_s INTEGER,  -- NULL: until lifted
        rule TEXT NOT NULL,
        reason TEXT NOT NULL,
        offence INTEGER NOT NULL,
        strikes REAL NOT NULL,
        reference TEXT NOT NULL,
        firewall INTEGER NOT NULL CHECK (firewall IN (0, 1)),
        lifted_s INTEGER,  -- NULL: not ended by hand
        lifted_by TEXT NOT NULL DEFAULT ''
    ) STRICT
    """,
    "CREATE INDEX ban_client ON ban (client)",
    "CREATE INDEX ban_reference ON ban (reference)",
    """
    CREATE TABLE strike (
        id INTEGER PRIMARY KEY,
        client TEXT NOT NULL,
        time_s REAL NOT NULL,
        kind TEXT NOT NULL,
        weight REAL NOT NULL,
        user TEXT NOT NULL,  -- masked
        user_tag INTEGER NOT NULL,  -- keyed hash of the name; 0: no name
        service TEXT NOT NULL
    ) STRICT
    """,
    # No index by client: each strike would dirty a page of its own, which costs five times as much as the strike.
    "CREATE INDEX strike_time ON strike (time_s)",
)

_VERSION_2: Final = (
    # Few rows, each written again and again: an index by time would dirty two more pages each time.
    """
    CREATE TABLE login (
        client TEXT NOT NULL,
        user_tag INTEGER NOT NULL,  -- keyed hash of the name; 0: no name
        last_s INTEGER NOT NULL,
        PRIMARY KEY (client, user_tag)
    ) STRICT, WITHOUT ROWID
    """,
)

_VERSION_3: Final = (
    # Who the operator has let in, beside never.networks.
    """
    CREATE TABLE allow (
        network TEXT PRIMARY KEY,  -- canonical text
        since_s INTEGER NOT NULL,
        until_s INTEGER,  -- NULL: until taken out
        reason TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    # What happened in an hour, for reports: strikes are forgotten sooner.
    """
    CREATE TABLE tally (
        hour INTEGER NOT NULL,  -- Unix seconds / 3600
        what TEXT NOT NULL,
        name TEXT NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (hour, what, name)
    ) STRICT, WITHOUT ROWID
    """,
)

_VERSION_4: Final = (
    "ALTER TABLE ban ADD COLUMN node TEXT NOT NULL DEFAULT ''",  # which peer decided it; empty: this one
    "ALTER TABLE strike ADD COLUMN node TEXT NOT NULL DEFAULT ''",  # which peer counted it; empty: this one
    # Whether other nodes are not told.
    "ALTER TABLE allow ADD COLUMN here INTEGER NOT NULL DEFAULT 0 CHECK (here IN (0, 1))",
    # What the link to other nodes must know of its last run.
    "CREATE TABLE memory (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
)

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4)


def version_of(db: sqlite3.Connection, path: Path, known: int = len(MIGRATIONS)) -> int:
    """
    Return the schema version of an open file; 0 for one without tables.

    Args:
        db: Open; only read.
        path: For the message.
        known: The newest version that is understood.

    Raises:
        LedgerError: The file belongs to another program, or to a newer filter-ban, or is too short for a database.

    """
    application_id = _number(db, "PRAGMA application_id")
    version = _number(db, "PRAGMA user_version")
    if not application_id and not version and not _number(db, "SELECT count(*) FROM sqlite_schema"):
        if 0 < (files.size_of(path) or 0) < _SMALLEST_BYTES:
            raise LedgerError(Trouble.CORRUPT, path, "too short")
        return 0
    if application_id != APPLICATION_ID:
        raise LedgerError(Trouble.UNUSABLE, path, "it is a database of another program")
    if version > known:
        raise LedgerError(
            Trouble.UNUSABLE, path, f"its schema version is {version}, this filter-ban knows {known}"
        )
    return version


def migrate(
    db: sqlite3.Connection,
    path: Path,
    user_key: bytes,
    migrations: tuple[tuple[str, ...], ...] = MIGRATIONS,
) -> None:
    """
    Bring an open file to the newest version, in one transaction and after a copy of what it held.

    The copy stands beside the file as ``ledger.sqlite3.version-1``; one that is there already is kept.

    Args:
        db: Open for writing, outside a transaction.
        path: Of the file.
        user_key: Key for the tags of user names, should the file be new.
        migrations: All that are known.

    Raises:
        LedgerError: The file belongs to another program, or to a newer filter-ban; it is unchanged.
        sqlite3.Error, OSError: A migration or the copy failed; the file is unchanged.

    """
    version = version_of(db, path, len(migrations))
    if version == len(migrations):
        return
    if version:
        _copy(db, path.with_name(f"{path.name}.version-{version}"))
    db.execute("BEGIN IMMEDIATE")
    try:
        for statements in migrations[version:]:
            for statement in statements:
                db.execute(statement)
        if not version:
            db.execute("INSERT INTO meta VALUES ('user_key', ?)", (user_key,))
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(migrations)}")
        db.execute("COMMIT")
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _copy(db: sqlite3.Connection, path: Path) -> None:
    """Copy an open database to a new file that only its owner may read; leave an existing one alone."""
    if path.exists():
        return
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    with closing(sqlite3.connect(unfinished)) as copy:
        db.backup(copy)
    unfinished.rename(path)


def _number(db: sqlite3.Connection, query: str) -> int:
    number: int = db.execute(query).fetchone()[0]
    return number
