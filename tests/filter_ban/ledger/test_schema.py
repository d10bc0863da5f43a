# SPDX-License-Identifier: ISC
"""Tests of filter_ban.ledger.schema."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from filter_ban.client import parse_network
from filter_ban.ledger import Ledger, LedgerError, Trouble, open_reader
from filter_ban.ledger.backlog import Memo
from filter_ban.ledger.schema import MIGRATIONS, migrate
from filter_ban.model import Ban, Login

NOW_S = 1_800_000_000
CLIENT = parse_network("192.0.2.7")
VERSION = len(MIGRATIONS)
VERSION_1 = Path(__file__).with_name("version-1.sqlite3")  # written by the last program of that version
VERSION_3 = Path(__file__).with_name("version-3.sqlite3")
NEXT = (
    *MIGRATIONS,
    ("ALTER TABLE ban ADD COLUMN note TEXT NOT NULL DEFAULT ''", "CREATE INDEX note ON ban (note)"),
)
BROKEN = (*MIGRATIONS, ("ALTER TABLE ban ADD COLUMN note TEXT", "no SQL at all"))

MakeBan = Callable[..., Ban]


@pytest.fixture
def old(path: Path, make_ban: MakeBan) -> Path:
    """Return the path of a closed ledger of this version with a ban."""
    with Ledger.open(path, NOW_S) as ledger:
        ledger.record_bans([make_ban()])
    return path


@pytest.fixture
def db(old: Path) -> Iterator[sqlite3.Connection]:
    """Return a connection to that ledger."""
    with closing(sqlite3.connect(old, isolation_level=None)) as opened:
        yield opened


def test_migration(old: Path, db: sqlite3.Connection) -> None:
    """A newer version changes the tables, keeps the rows, and leaves a copy of what was."""
    migrate(db, old, b"", NEXT)
    copy = old.with_name(f"ledger.sqlite3.version-{VERSION}")

    assert db.execute("SELECT client, note FROM ban").fetchall() == [("192.0.2.7", "")]
    assert db.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)
    assert copy.stat().st_mode & 0o777 == 0o600
    with open_reader(copy) as reader:
        assert len(list(reader.active_bans(NOW_S))) == 1
    assert list(old.parent.glob("*unfinished*")) == []


def test_from_version_1(path: Path) -> None:
    """A ledger of version 1 keeps its bans, strikes and key, and can remember logins."""
    path.parent.mkdir()
    shutil.copy(VERSION_1, path)
    login = Login(parse_network("192.0.2.7"), 5, NOW_S)
    with Ledger.open(path, NOW_S) as ledger:
        ledger.record_logins([login])
        bans = [(record.ban.reference, record.lifted_by) for record in ledger.records()]
        strikes = [(strike.user, strike.user_tag) for strike in ledger.strikes_since(0)]

        assert bans == [("7KQ2M4XD", ""), ("4XD7KQ2M", ""), ("M4XD7KQ2", "root")]
        assert strikes == [("al…@example.org", 7), ("al…@example.org", 6), ("al…@example.org", 5)]
        assert ledger.user_key == b"version-1-of-key"
        assert [login] == list(ledger.logins_since(0))
        assert ledger.facts(NOW_S).schema_version == VERSION
    assert VERSION_1.read_bytes()[100:] == path.with_name("ledger.sqlite3.version-1").read_bytes()[100:]


def test_from_version_3(path: Path) -> None:
    """A ledger of version 3 keeps all it has, which is this node's own, and can remember what a cluster needs."""
    path.parent.mkdir()
    shutil.copy(VERSION_3, path)
    with Ledger.open(path, NOW_S) as ledger:
        bans = [(record.ban.reference, record.ban.node, record.lifted_by) for record in ledger.records()]
        strikes = [(strike.user, strike.user_tag, strike.node) for strike in ledger.strikes_since(0)]

        assert bans == [("7KQ2M4XD", "", ""), ("4XD7KQ2M", "", ""), ("M4XD7KQ2", "", "root")]
        assert strikes == [("al…@example.org", tag, "") for tag in (7, 6, 5)]
        assert [login.user_tag for login in ledger.logins_since(0)] == [5]
        assert [(one.reason, one.here) for one in ledger.allowances(NOW_S)] == [("office", False)]
        assert [tally.number for tally in ledger.tallies(0, NOW_S, ["strikes"])] == [3]
        assert ledger.user_key == b"version-3-of-key"
        assert ledger.memory() == {}
        assert ledger.facts(NOW_S).schema_version == VERSION
        ledger.record_bans([Ban(client=CLIENT, start_s=NOW_S, end_s=None, rule="", reason="", node="mx2")])
        ledger.remember([Memo("position", "5-0")])
        assert [record.ban.node for record in ledger.records()] == ["", "", "", "mx2"]
        assert ledger.memory() == {"position": "5-0"}
    assert VERSION_3.read_bytes()[100:] == path.with_name("ledger.sqlite3.version-3").read_bytes()[100:]


def test_migration_is_done_once(old: Path, db: sqlite3.Connection) -> None:
    """A file of the newest version is left alone, without a copy."""
    migrate(db, old, b"", MIGRATIONS)

    assert [file.name for file in old.parent.glob("*sqlite3*") if "-" not in file.name] == ["ledger.sqlite3"]


def test_failed_migration_changes_nothing(old: Path, db: sqlite3.Connection) -> None:
    """A migration that fails half-way leaves the file as it was."""
    with pytest.raises(sqlite3.OperationalError):
        migrate(db, old, b"", BROKEN)

    with Ledger.open(old, NOW_S) as ledger:
        assert len(list(ledger.active_bans(NOW_S))) == 1


def test_earlier_copy_is_kept(old: Path, db: sqlite3.Connection) -> None:
    """A copy from an earlier try is not overwritten."""
    copy = old.with_name(f"ledger.sqlite3.version-{VERSION}")
    copy.write_bytes(b"precious")
    migrate(db, old, b"", NEXT)

    assert copy.read_bytes() == b"precious"


def test_newer_version_is_refused(old: Path, db: sqlite3.Connection) -> None:
    """A file of a version that we do not know is refused for reading and writing, and not changed."""
    db.execute("PRAGMA user_version = 7")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = old.read_bytes()

    for opening in (partial(Ledger.open, now_s=NOW_S), open_reader):
        with pytest.raises(
            LedgerError, match=f"schema version is 7, this filter-ban knows {VERSION}"
        ) as raised:
            opening(old)
        assert Trouble.UNUSABLE is raised.value.trouble
    assert before == old.read_bytes()


def test_older_version_is_not_read(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader leaves migrating to the daemon."""
    monkeypatch.setattr("filter_ban.ledger.reader.MIGRATIONS", NEXT)
    with pytest.raises(LedgerError, match=f"schema version {VERSION}: the daemon updates it"):
        open_reader(old)


def test_database_of_another_program(tmp_path: Path) -> None:
    """A database of another program is refused and not changed, whatever its name."""
    path = tmp_path / "ledger.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE ban (client TEXT)")
    before = path.read_bytes()

    for opening in (partial(Ledger.open, now_s=NOW_S), open_reader):
        with pytest.raises(LedgerError, match="it is a database of another program"):
            opening(path)
    assert before == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())
