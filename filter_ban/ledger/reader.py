# SPDX-License-Identifier: ISC
"""
Questions to the ledger.

``open_reader`` opens it for reading only, which works while the daemon writes and while none runs, and changes nothing.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Self, TypeVar

import attrs

from filter_ban.client import ClientKey, key_text, parse_network, widen
from filter_ban.ledger import files
from filter_ban.ledger.errors import LedgerError, Trouble, translated
from filter_ban.ledger.rows import (
    ALLOWANCE_COLUMNS,
    BAN_COLUMNS,
    LOGIN_COLUMNS,
    MEANINGLESS,
    MEMO_COLUMNS,
    RECORD_COLUMNS,
    STRIKE_COLUMNS,
    TALLY_COLUMNS,
    Record,
    Row,
    read_allowances,
    read_bans,
    read_logins,
    read_records,
    read_strikes,
    read_tallies,
)
from filter_ban.ledger.schema import MIGRATIONS, USER_KEY_BYTES, version_of
from filter_ban.ledger.sql import select
from filter_ban.model import Allowance, Ban, Login, Strike
from filter_ban.tally import HOUR_S, Tally

Noun = TypeVar("Noun")

BUSY_TIMEOUT_S: Final = 1.0

_ACTIVE_BANS: Final = select(
    BAN_COLUMNS, "ban", "WHERE lifted_s IS NULL AND (end_s IS NULL OR end_s > ?) ORDER BY id"
)
_STRIKES_SINCE: Final = select(STRIKE_COLUMNS, "strike", "WHERE time_s > ? ORDER BY time_s DESC, id DESC")
_STRIKES_OF: Final = select(
    STRIKE_COLUMNS, "strike", "NOT INDEXED WHERE client = ? ORDER BY time_s DESC, id DESC LIMIT ?"
)
_ALLOWANCES: Final = select(
    ALLOWANCE_COLUMNS, "allow", "WHERE until_s IS NULL OR until_s > ? ORDER BY network"
)
_FIRST_HOUR: Final = "SELECT min(hour) FROM tally"
_SUMS: Final = """
    SELECT what, name, sum(number) FROM tally WHERE hour >= ? AND hour < ? GROUP BY what, name
"""
_TALLIES: Final = select(
    TALLY_COLUMNS,
    "tally",
    "WHERE hour >= ? AND hour < ? AND what IN (SELECT value FROM json_each(?)) ORDER BY hour",
)
_BAN_SPANS: Final = """
    SELECT client, start_s, end_s, lifted_s, rule FROM ban WHERE start_s >= ? AND start_s < ? ORDER BY id
"""
_STRIKE_TIMES: Final = """
    SELECT client, time_s FROM strike NOT INDEXED
    WHERE time_s >= ? AND time_s < ? AND weight > 0
        AND client IN (SELECT client FROM ban WHERE start_s >= ? AND start_s < ?)
"""
_LOGINS_SINCE: Final = select(
    LOGIN_COLUMNS, "login", "WHERE last_s > ? ORDER BY last_s DESC, client, user_tag"
)
_BANS_OF: Final = select(RECORD_COLUMNS, "ban", "WHERE client = ?")
_REFERENCE: Final = select(RECORD_COLUMNS, "ban", "WHERE reference = ? ORDER BY id DESC LIMIT 1")
_RECORDS: Final = select(RECORD_COLUMNS, "ban", "ORDER BY id")
_OFFENCES: Final = """
    SELECT client, max(offence), max(start_s) FROM ban NOT INDEXED WHERE lifted_s IS NULL AND start_s > ? GROUP BY client
"""
_LIFTS_SINCE: Final = """
    SELECT client, max(lifted_s) FROM ban NOT INDEXED
    WHERE lifted_s > ? AND lifted_by NOT IN ('never-list', 'operator here') GROUP BY client ORDER BY max(lifted_s) DESC
"""
_MEMORY: Final = select(MEMO_COLUMNS, "memory", "")
_FACTS: Final = """
    SELECT
        (SELECT user_version FROM pragma_user_version),
        (SELECT count(*) FROM ban WHERE lifted_s IS NULL AND (end_s IS NULL OR end_s > ?)),
        (SELECT count(*) FROM ban),
        (SELECT count(*) FROM strike)
"""


@attrs.frozen(kw_only=True)
class Facts:
    """What ``status`` tells about the ledger."""

    path: Path
    schema_version: int
    size_bytes: int
    active_bans: int
    bans: int
    strikes: int
    last_write_s: float


class LedgerReader:
    """
    An open ledger, for one thread at a time.

    Every method and every step of an iterator raises LedgerError where the file fails. An iterator sees the ledger as
    it was at its first step.
    """

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._db = db

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what fails on the way is of no interest any more."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    @property
    def user_key(self) -> bytes:
        """The key for the tags of user names: random, made with the file."""
        (key,) = next(self._rows("SELECT value FROM meta WHERE name = 'user_key'"), (None,))
        if not isinstance(key, bytes) or len(key) != USER_KEY_BYTES:
            raise LedgerError(Trouble.CORRUPT, self.path, "its key is missing")
        return key

    def active_bans(self, now_s: float) -> Iterator[Ban]:
        """Yield the bans in force, oldest record first."""
        return self._checked(read_bans(self._rows(_ACTIVE_BANS, now_s)))

    def offences(self, since_s: float) -> Iterator[tuple[ClientKey, int, int]]:
        """Yield client, number of offences and start of the last ban, for those banned after *since_s*."""
        rows = self._rows(_OFFENCES, since_s)
        return self._checked((parse_network(client), count, last_s) for client, count, last_s in rows)

    def strikes_since(self, since_s: float) -> Iterator[Strike]:
        """Yield the strikes after *since_s*, newest first."""
        return self._checked(read_strikes(self._rows(_STRIKES_SINCE, since_s)))

    def strikes_of(self, client: ClientKey, limit: int) -> list[Strike]:
        """Return the last *limit* strikes of *client*, newest first."""
        return list(self._checked(read_strikes(self._rows(_STRIKES_OF, key_text(client), limit))))

    def logins_since(self, since_s: float) -> Iterator[Login]:
        """Yield the last login of each user from each client, if it was after *since_s*, newest first."""
        return self._checked(read_logins(self._rows(_LOGINS_SINCE, since_s)))

    def lifts_since(self, since_s: float) -> Iterator[tuple[ClientKey, float]]:
        """
        Yield whose bans were lifted by hand after *since_s*, and when for the last time, newest first.

        The ledger keeps the full second, and does not know of lifts where there was no ban.
        """
        lifts = ((parse_network(text), float(second)) for text, second in self._rows(_LIFTS_SINCE, since_s))
        return self._checked(lifts)

    def memory(self) -> dict[str, str]:
        """Return what the link to other nodes had remembered, by name."""
        return dict(self._rows(_MEMORY))

    def allowances(self, now_s: float) -> Iterator[Allowance]:
        """Yield what the operator lets in at *now_s*, in the order of the networks' texts."""
        return self._checked(read_allowances(self._rows(_ALLOWANCES, now_s)))

    def bans_of(self, client: ClientKey) -> list[Record]:
        """Return the bans, past and present, of *client* and of the networks around it, newest first."""
        found: list[Record] = []
        for prefix in range(client[-1] + 1):
            found += self._checked(read_records(self._rows(_BANS_OF, key_text(widen(client, prefix)))))
        return sorted(found, key=lambda record: record.ban.start_s, reverse=True)

    def find(self, reference: str) -> Record | None:
        """Return the newest ban with that reference."""
        return next(self._checked(read_records(self._rows(_REFERENCE, reference))), None)

    def records(self) -> Iterator[Record]:
        """Yield every ban, past and present, oldest record first."""
        return self._checked(read_records(self._rows(_RECORDS)))

    def first_tally_s(self) -> int | None:
        """Return when the first hour begins that has tallies; None where there are none."""
        ((hour,),) = self._rows(_FIRST_HOUR)
        return None if hour is None else hour * HOUR_S

    def sums(self, start_hour: int, end_hour: int) -> Iterator[tuple[str, str, int]]:
        """Yield what, name and sum of the tallies from the hour *start_hour* to before *end_hour*."""
        return self._rows(_SUMS, start_hour, end_hour)

    def tallies(self, start_hour: int, end_hour: int, whats: Iterable[str]) -> Iterator[Tally]:
        """Yield the tallies of *whats* from the hour *start_hour* to before *end_hour*, by the hour."""
        return read_tallies(self._rows(_TALLIES, start_hour, end_hour, json.dumps([*whats])))

    def ban_spans(
        self, start_s: float, end_s: float
    ) -> Iterator[tuple[str, int, int | None, int | None, str]]:
        """Yield client, start, end, moment of a lift and rule of the bans that began in a period, in their order."""
        return self._rows(_BAN_SPANS, start_s, end_s)

    def strike_times(self, start_s: float, end_s: float, since_s: float) -> Iterator[tuple[str, float]]:
        """Yield client and time of the strikes from *since_s* to *end_s* of whoever was banned from *start_s* to *end_s*."""
        return self._rows(_STRIKE_TIMES, since_s, end_s, start_s, end_s)

    def facts(self, now_s: float) -> Facts:
        """Return what there is to say about the file; counts all rows."""
        ((version, active, bans, strikes),) = self._rows(_FACTS, now_s)
        with translated(self.path):
            stats = [self.path.stat()]
            with contextlib.suppress(FileNotFoundError):
                stats.append(files.companion(self.path, "-wal").stat())
        return Facts(
            path=self.path,
            schema_version=version,
            size_bytes=sum(stat.st_size for stat in stats),
            active_bans=active,
            bans=bans,
            strikes=strikes,
            last_write_s=max(stat.st_mtime for stat in stats),
        )

    def _rows(self, query: str, *values: str | float) -> Iterator[Row]:
        with translated(self.path):
            # "yield from" would close the cursor when an unfinished iterator is dropped, for a closed reader an error.
            for row in self._db.execute(query, values):  # noqa: UP028 - see above
                yield row

    def _checked(self, nouns: Iterator[Noun]) -> Iterator[Noun]:
        try:
            yield from nouns
        except MEANINGLESS as error:
            raise LedgerError(Trouble.CORRUPT, self.path, str(error)) from error


def open_reader(path: Path) -> LedgerReader:
    """
    Open the ledger for reading; nothing is created, changed or set aside.

    Reading a database in WAL mode takes its ``-shm`` file, which SQLite makes in the folder when no other program has.
    Where the reader may not do that and there is no ``-wal`` file either, the daemon was stopped in an orderly way, the
    file alone is complete, and it is read as one that nobody changes.

    Raises:
        LedgerError: It is absent, damaged, not ours, or of another version.

    """
    uri = path.absolute().as_uri()
    with translated(path):
        if files.size_of(path) is None:
            raise LedgerError(Trouble.ABSENT, path)
        db = connect(f"{uri}?mode=ro")
        try:
            version = version_of(db, path)
        except sqlite3.OperationalError:
            db.close()
            if files.size_of(files.companion(path, "-wal")):
                raise
            db = connect(f"{uri}?immutable=1")
            version = version_of(db, path)
        if version != len(MIGRATIONS):
            db.close()
            if version == 0:
                raise LedgerError(Trouble.ABSENT, path, "it is being made")
            raise LedgerError(
                Trouble.UNUSABLE, path, f"schema version {version}: the daemon updates it when it starts"
            )
    return LedgerReader(db, path)


def connect(uri: str) -> sqlite3.Connection:
    """Open a database for explicit transactions, to be handed from one thread to another."""
    return sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S, check_same_thread=False
    )
