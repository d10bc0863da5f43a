# SPDX-License-Identifier: ISC
"""What can still be read from a damaged file: each table from both ends up to the first page that is unreadable."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from types import NoneType
from typing import Final

import attrs

from filter_ban.ledger import files
from filter_ban.ledger.reader import connect
from filter_ban.ledger.rows import (
    ALLOWANCE_COLUMNS,
    LOGIN_COLUMNS,
    MEANINGLESS,
    RECORD_COLUMNS,
    STRIKE_COLUMNS,
    TALLY_COLUMNS,
    Row,
    read_allowances,
    read_logins,
    read_records,
    read_strikes,
    read_tallies,
)
from filter_ban.ledger.schema import USER_KEY_BYTES
from filter_ban.ledger.sql import insert, marks, select

# A damaged name in SQLite's own message cannot be decoded.
_UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)
_INT_OR_NULL: Final = (int, NoneType)
_LATER_COLUMNS: Final = {"node": "''", "here": "0"}  # unknown to older versions; what they would have meant
_COLUMN_NAMES: Final = "SELECT name FROM pragma_table_info(?)"


@attrs.frozen
class _Table:
    """A table to save: what stands in a sane row, what must be able to read it, and a key that stands before all rows."""

    name: str
    columns: str
    types: tuple[type | tuple[type, ...], ...]
    read: Callable[[Iterable[Row]], Iterator[object]]
    key: Mapping[str, str | int] = attrs.field(factory=lambda: {"id": 0})


_BAN: Final = _Table(
    "ban",
    RECORD_COLUMNS,
    (str, int, _INT_OR_NULL, str, str, int, float, str, int, str, _INT_OR_NULL, str),
    read_records,
)
_STRIKE: Final = _Table("strike", STRIKE_COLUMNS, (str, float, str, float, str, int, str, str), read_strikes)
_LOGIN: Final = _Table("login", LOGIN_COLUMNS, (str, int, int), read_logins, {"client": "", "user_tag": 0})

_ALLOWANCE: Final = _Table(
    "allow", ALLOWANCE_COLUMNS, (str, int, _INT_OR_NULL, str, int), read_allowances, {"network": ""}
)

_TALLY: Final = _Table(
    "tally", TALLY_COLUMNS, (int, str, str, int), read_tallies, {"hour": 0, "what": "", "name": ""}
)


def salvage_user_key(wreck: Path) -> bytes | None:
    """Return the key for the tags of user names, if it can be read."""
    with suppress(*_UNREADABLE), closing(_open(wreck)) as source:
        for (key,) in source.execute("SELECT value FROM meta WHERE name = 'user_key'"):
            if isinstance(key, bytes) and len(key) == USER_KEY_BYTES:
                return key
    return None


def salvage(wreck: Path, db: sqlite3.Connection) -> tuple[int, int, int]:
    """
    Copy the tables of a damaged file into *db*, within the caller's transaction; leave the file unchanged.

    The memory is not copied: how far other nodes were read is of no use where their strikes may be lost.

    Returns: how many bans, strikes and logins were saved.
    """
    with closing(_open(wreck)) as source:
        _copy(source, db, _ALLOWANCE)
        _copy(source, db, _TALLY)
        return _copy(source, db, _BAN), _copy(source, db, _STRIKE), _copy(source, db, _LOGIN)


def _open(wreck: Path) -> sqlite3.Connection:
    # Of a database of no length SQLite would delete the -wal file, so it is not shown to it.
    source = connect(f"{wreck.absolute().as_uri()}?mode=ro") if files.size_of(wreck) else connect(":memory:")
    source.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
    return source


def _copy(source: sqlite3.Connection, db: sqlite3.Connection, table: _Table) -> int:
    statement = insert(table.name, table.columns)[1]
    saved = 0
    for row in _walk(source, table):
        if all(map(isinstance, row, table.types)):
            with suppress(*MEANINGLESS, sqlite3.IntegrityError):
                for _ in table.read([row]):
                    db.execute(statement, row)
                    saved += 1
    return saved


def _walk(source: sqlite3.Connection, table: _Table) -> Iterator[Row]:
    width = len(table.key)
    key = ", ".join(table.key)
    last = tuple(table.key.values())
    columns = f"{key}, {_known_columns(source, table)}"
    try:
        for row in source.execute(select(columns, table.name, f"ORDER BY {key}")):
            last = row[:width]
            yield row[width:]
    except _UNREADABLE:
        down = ", ".join(f"{name} DESC" for name in table.key)
        backwards = select(columns, table.name, f"WHERE ({key}) > {marks(width)} ORDER BY {down}")
        with suppress(*_UNREADABLE):
            for row in source.execute(backwards, last):
                yield row[width:]


def _known_columns(source: sqlite3.Connection, table: _Table) -> str:
    """Return the columns to read, and what stands for those that a file of an older version does not have."""
    known: set[str] = set()
    with suppress(*_UNREADABLE):
        known.update(name for (name,) in source.execute(_COLUMN_NAMES, (table.name,)))
    names = table.columns.split(", ")
    return ", ".join(name if name in known else _LATER_COLUMNS.get(name, name) for name in names)
