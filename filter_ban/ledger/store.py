# SPDX-License-Identifier: ISC
"""The ledger open for writing: the only place that changes it. Each public method is one transaction."""

import enum
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

from filter_ban.client import ClientKey, key_text, parse_network
from filter_ban.ledger import files
from filter_ban.ledger.backlog import Lift, Memo
from filter_ban.ledger.errors import translated
from filter_ban.ledger.opening import open_file
from filter_ban.ledger.reader import LedgerReader
from filter_ban.ledger.rows import (
    ALLOWANCE_COLUMNS,
    BAN_COLUMNS,
    LOGIN_COLUMNS,
    MEMO_COLUMNS,
    RECORD_COLUMNS,
    STRIKE_COLUMNS,
    TALLY_COLUMNS,
    Record,
    Row,
    allowance_row,
    ban_row,
    login_row,
    record_row,
    storable,
    strike_row,
    tally_row,
)
from filter_ban.ledger.sql import GROUP_SIZES, groups, insert
from filter_ban.ledger.voids import OF_CLIENTS, OF_USERS, Voids
from filter_ban.model import HERE, Allowance, Ban, Login, Pardon, Strike
from filter_ban.tally import HOUR_S, Tally
from filter_ban.text import excerpt

PRUNE_ROWS: Final = 1000
TALLY_AGE_S: Final = 400 * 86_400.0  # a year can be compared with the one before, month by month

_INSERT_BANS: Final = insert("ban", BAN_COLUMNS)
_INSERT_RECORDS: Final = insert("ban", RECORD_COLUMNS)
_INSERT_STRIKES: Final = insert("strike", STRIKE_COLUMNS)
_UPSERT_LOGINS: Final = insert(
    "login",
    LOGIN_COLUMNS,
    "ON CONFLICT DO UPDATE SET last_s = excluded.last_s WHERE last_s < excluded.last_s",
)
_REPLACE_ALLOWANCES: Final = insert(
    "allow",
    ALLOWANCE_COLUMNS,
    "ON CONFLICT DO UPDATE SET since_s = excluded.since_s, until_s = excluded.until_s, reason = excluded.reason,"
    " here = excluded.here",
)
_ADD_TALLIES: Final = insert(
    "tally", TALLY_COLUMNS, "ON CONFLICT DO UPDATE SET number = number + excluded.number"
)
_REMEMBER: Final = insert("memory", MEMO_COLUMNS, "ON CONFLICT DO UPDATE SET value = excluded.value")
_PAUSE_S: Final = 0.0002  # after a large group: a thread that never rests keeps its core for milliseconds
_ACTIVE_OF: Final = """
    SELECT client, id, start_s, end_s, firewall, reference, node FROM ban
    WHERE client IN (SELECT value FROM json_each(?)) AND lifted_s IS NULL AND (end_s IS NULL OR end_s > ?)
"""
_LIFT: Final = """
    UPDATE ban SET lifted_s = lift.second, lifted_by = lift.hand
    FROM (
        SELECT
            json_extract(value, '$[0]') AS client,
            json_extract(value, '$[1]') AS now_s,
            json_extract(value, '$[2]') AS second,
            json_extract(value, '$[3]') AS hand
        FROM json_each(?)
    ) AS lift
    WHERE ban.client = lift.client AND lifted_s IS NULL
        AND start_s <= lift.now_s AND (end_s IS NULL OR end_s > lift.now_s)
    RETURNING client
"""


class _Active(NamedTuple):
    number: int
    start_s: int
    end_s: int | None
    firewall: int
    reference: str
    node: str

    def yields_to(self, ban: Ban) -> bool:
        """
        Return whether of two bans with one end, which nodes decided, *ban* holds; whoever records it knows the rest.

        So does one that was this node's own until other nodes were told.
        """
        ours, other = (self.start_s, self.firewall), (ban.start_s, ban.firewall)
        is_another = self.reference != ban.reference or (self.node == HERE and ban.node != HERE)
        return self.end_s == ban.end_s and (other < ours or (other == ours and is_another))


class Recorded(enum.Enum):
    """What recording a ban did."""

    NEW = "new"  # the client had no active ban
    EXTENDED = "extended"  # its ban was replaced by this one, which ends later
    SHORTER = "shorter"  # its ban ends as late or later: nothing was changed


class Ledger(LedgerReader):
    """
    The open ledger, for one thread at a time.

    Every method raises LedgerError where the file fails, and has then changed nothing.
    """

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        super().__init__(db, path)
        self._identity = files.identity(path)

    @classmethod
    def open(cls, path: Path, now_s: float, *, user_key: bytes | None = None, damaged: bool = False) -> Self:
        """
        Open the ledger for writing; only where no file exists a new one is begun.

        A damaged file is set aside under another name, and what can be read of it goes into a new one.

        Args:
            path: Of the file; its folder is made where missing.
            now_s: For the name of a file that is set aside.
            user_key: Key for the tags of user names in a new file; random by default.
            damaged: The file was found damaged in use: set it aside unseen.

        Raises:
            LedgerError: The file cannot be used for writing now, is not ours, or of a newer version.

        """
        return cls(open_file(path, now_s, user_key, damaged=damaged), path)

    def leave(self, now_s: float) -> None:
        """Close a ledger whose file was deleted or replaced; its -wal file must not be taken for that of another."""
        self.close()
        with translated(self.path):
            files.set_aside_stale(self.path, self._identity, now_s)

    def is_in_place(self) -> bool:
        """Return whether the open files are still those at the path."""
        return None not in self._identity and self._identity == files.identity(self.path)

    def record_bans(self, bans: Iterable[Ban]) -> list[Recorded]:
        """Record *bans* in their order; say of each what that did. No ban is shortened by a later one."""
        outcomes: list[Recorded] = []
        with self._transaction():
            for group in groups(list(bans)):
                if len({ban.client for ban in group}) == len(group):
                    outcomes += self._record(group)
                else:
                    for ban in group:
                        outcomes += self._record([ban])
        return outcomes

    def _record(self, bans: Sequence[Ban]) -> list[Recorded]:
        """Record a group of bans of different clients."""
        rows = [ban_row(ban) for ban in bans]
        texts = [row[0] for row in rows]
        earliest_s = min(ban.start_s for ban in bans)
        active: dict[str, list[_Active]] = {text: [] for text in texts}
        for text, *facts in self._db.execute(_ACTIVE_OF, (json.dumps(texts), earliest_s)).fetchall():
            active[text].append(_Active(*facts))
        outcomes = [self._replace(ban, active[text]) for ban, text in zip(bans, texts, strict=True)]
        longer = (row for row, outcome in zip(rows, outcomes, strict=True) if outcome is not Recorded.SHORTER)
        self._insert(_INSERT_BANS, list(longer))
        return outcomes

    def _replace(self, ban: Ban, active: Iterable[_Active]) -> Recorded:
        """End those of the *active* bans that *ban* replaces; say what it is beside them."""
        outcome = Recorded.NEW
        for one in active:
            end_s = one.end_s
            if end_s is not None and end_s <= ban.start_s:
                continue
            if one.yields_to(ban):
                self._db.execute("DELETE FROM ban WHERE id = ?", (one.number,))
            elif end_s is None or (ban.end_s is not None and ban.end_s <= end_s):
                return Recorded.SHORTER
            else:
                end_s = max(one.start_s, ban.start_s)
                self._db.execute("UPDATE ban SET end_s = ? WHERE id = ?", (end_s, one.number))
            outcome = Recorded.EXTENDED
        return outcome

    def _insert(self, statements: Mapping[int, str], rows: Sequence[Row]) -> None:
        for group in groups(rows):
            self._db.execute(statements[len(group)], [value for row in group for value in row])
            if len(group) == GROUP_SIZES[0]:
                time.sleep(_PAUSE_S)

    def lift(self, clients: Iterable[ClientKey], now_s: float, by: str) -> list[ClientKey]:
        """Do one hand's lifts as :meth:`lift_all` does."""
        return self.lift_all(Lift(client, now_s, by) for client in clients)

    def lift_all(self, lifts: Iterable[Lift]) -> list[ClientKey]:
        """
        End bans as if they had never been: they are no offences, and earlier strikes of the clients are gone.

        All strikes are looked at once, however many the lifts. Of two for one client the first ends its ban. A ban that
        begins later stays.

        Returns: the clients that had an active ban.
        """
        rounds: list[dict[str, Row]] = []  # each with one lift of a client, in their order
        seen: Counter[str] = Counter()
        void: list[Row] = []
        for lift in lifts:
            text = key_text(lift.client)
            if seen[text] == len(rounds):
                rounds.append({})
            rounds[seen[text]][text] = text, lift.now_s, int(lift.now_s), excerpt(lift.by)
            seen[text] += 1
            void.append((text, lift.now_s))
        with self._transaction():
            ended = [
                row
                for rows in rounds
                for row in self._db.execute(_LIFT, (json.dumps([*rows.values()]),)).fetchall()
            ]
            self._remove(OF_CLIENTS, void)
        return [parse_network(text) for text in dict.fromkeys(text for (text,) in ended)]

    def record_strikes(self, strikes: Iterable[Strike]) -> None:
        """Record *strikes*; the names of users are masked here."""
        with self._transaction():
            for group in groups(list(strikes)):
                self._insert(_INSERT_STRIKES, [strike_row(strike) for strike in group])

    def record_logins(self, logins: Iterable[Login]) -> None:
        """Record when each user last logged in from each client."""
        with self._transaction():
            self._insert(_UPSERT_LOGINS, [login_row(login) for login in logins])

    def allow(self, allowances: Iterable[Allowance]) -> None:
        """Record who is let in; a later allowance of a network takes the place of an earlier one."""
        with self._transaction():
            self._insert(_REPLACE_ALLOWANCES, [allowance_row(allowance) for allowance in allowances])

    def disallow(self, networks: Iterable[ClientKey]) -> None:
        """Remove the allowances of exactly these *networks*."""
        with self._transaction():
            self._db.executemany(
                "DELETE FROM allow WHERE network = ?", [(key_text(network),) for network in networks]
            )

    def add_tallies(self, tallies: Iterable[Tally]) -> None:
        """Add *tallies* to those that are there for the same hour, what and name."""
        with self._transaction():
            self._insert(_ADD_TALLIES, [tally_row(tally) for tally in tallies])

    def forgive(self, pardons: Iterable[Pardon]) -> None:
        """Remove the strikes of users up to the time of each pardon."""
        rows = [(key_text(pardon.client), pardon.user_tag, pardon.time_s) for pardon in pardons]
        with self._transaction():
            self._remove(OF_USERS, rows)

    def _remove(self, voids: Voids, rows: list[Row]) -> None:
        """Remove the strikes that are void: *rows* say whose and until when."""
        self._db.execute(voids.create)
        self._insert(voids.insert, sorted(rows))  # in their order it takes a third of the time
        self._db.execute(voids.remove)
        self._db.execute(voids.clear)

    def remember(self, memos: Iterable[Memo]) -> None:
        """Keep the values of *memos* in place of what was remembered by their names."""
        values = {storable(memo.name): memo.value for memo in memos}
        kept = [(name, storable(value)) for name, value in values.items() if value is not None]
        with self._transaction():
            self._insert(_REMEMBER, kept)
            self._db.executemany(
                "DELETE FROM memory WHERE name = ?", [(name,) for name in values.keys() - dict(kept).keys()]
            )

    def add_records(self, records: Iterable[Record]) -> None:
        """Add what another ledger remembers, unchanged."""
        with self._transaction():
            for group in groups(list(records)):
                self._insert(_INSERT_RECORDS, [record_row(record) for record in group])

    def prune(
        self,
        now_s: float,
        *,
        strike_age_s: float,
        ban_age_s: float,
        login_age_s: float,
        tally_age_s: float = TALLY_AGE_S,
        limit: int = PRUNE_ROWS,
    ) -> int:
        """
        Remove strikes, logins and tallies of that age, and bans that are over and began that long ago.

        Args:
            now_s: The ages are counted from here.
            strike_age_s: Of the youngest strike to go.
            ban_age_s: Of the youngest ban to go.
            login_age_s: Of the youngest login to go.
            tally_age_s: Of the youngest tally to go.
            limit: How many rows of each may go.

        Returns: how many rows were removed; call again until none is.
        """
        with self._transaction():
            strikes = self._db.execute(
                "DELETE FROM strike WHERE id IN (SELECT id FROM strike WHERE time_s <= ? LIMIT ?)",
                (now_s - strike_age_s, limit),
            )
            bans = self._db.execute(
                "DELETE FROM ban WHERE id IN (SELECT id FROM ban"
                " WHERE start_s <= ? AND (lifted_s IS NOT NULL OR end_s <= ?) LIMIT ?)",
                (now_s - ban_age_s, now_s, limit),
            )
            logins = self._db.execute(
                "DELETE FROM login WHERE (client, user_tag) IN"
                " (SELECT client, user_tag FROM login WHERE last_s <= ? LIMIT ?)",
                (now_s - login_age_s, limit),
            )
            tallies = self._db.execute(
                "DELETE FROM tally WHERE (hour, what, name) IN"
                " (SELECT hour, what, name FROM tally WHERE hour <= ? LIMIT ?)",
                ((now_s - tally_age_s) // HOUR_S, limit),
            )
        return strikes.rowcount + bans.rowcount + logins.rowcount + tallies.rowcount

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with translated(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # after some errors SQLite has rolled back by itself
                    self._db.execute("ROLLBACK")
                raise
