# SPDX-License-Identifier: ISC
"""fail2ban's database."""

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from filter_ban.exchange import fail2ban
from filter_ban.exchange.holding import Holding, ImportFault
from tests.filter_ban.exchange.reading import NOW_S, bans

COLUMNS = (
    "timeofban INTEGER NOT NULL, bantime INTEGER NOT NULL, bancount INTEGER NOT NULL default 1, data JSON,"
)
# as fail2ban 0.11 to 1.1 makes it
SCHEMA = f"""
CREATE TABLE fail2banDb(version INTEGER);
INSERT INTO fail2banDb VALUES(4);
CREATE TABLE jails(name TEXT NOT NULL UNIQUE, enabled INTEGER NOT NULL DEFAULT 1);
CREATE TABLE bans(jail TEXT NOT NULL, ip TEXT, {COLUMNS} FOREIGN KEY(jail) REFERENCES jails(name));
CREATE TABLE bips(ip TEXT NOT NULL, jail TEXT NOT NULL, {COLUMNS} PRIMARY KEY(ip, jail),
    FOREIGN KEY(jail) REFERENCES jails(name));
"""


def database(folder: Path, rows: Iterable[tuple[Any, ...]]) -> Path:
    """Return a database whose jails have banned *rows*: ip, jail, timeofban, bantime."""
    path = folder / "fail2ban ?.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        connection.executemany("INSERT INTO bips(ip, jail, timeofban, bantime) VALUES (?, ?, ?, ?)", rows)
    return path


def read(path: Path) -> Holding:
    """Return what is banned in the database *path*."""
    holding = Holding("fail2ban", NOW_S, NOW_S)
    fail2ban.read(path, holding)
    return holding


def test_bans(tmp_path: Path) -> None:
    """Ends are kept, a negative length is for ever, what is over is left out, and the jail is told."""
    rows = [
        ("192.0.2.7", "postfix-sasl", NOW_S - 100, 600),
        ("192.0.2.8", "sshd", NOW_S - 99, -1),
        ("192.0.2.9", "sshd", NOW_S - 98, 98),
        ("2001:db8::7", "recidive", NOW_S - 97, 1 << 33),
        ("192.0.2.0/25", "dovecot", NOW_S - 96, 97),
    ]
    found = read(database(tmp_path, rows))

    assert bans(found) == [
        ("192.0.2.7", 500),
        ("192.0.2.8", None),
        ("2001:db8::7", (1 << 33) - 97),
        ("192.0.2.0/25", 1),
    ]
    assert found.over == 1
    assert found.entries[0].reason == "imported from fail2ban, jail postfix-sasl"


def test_odd_rows(tmp_path: Path) -> None:
    """SQLite holds any value in any column; each that makes no sense has its place, and bytes are escaped."""
    rows = [
        ("alice", "sshd", 1, -1),
        ("192.0.2.7", "sshd", "today", 600),
        ("192.0.2.8", "sshd", 4.5, float("inf")),
        (b"192.0.2.9", "sshd", 5, -1),
        ("192.0.2.10", b"\xff\x1b[31m".decode("latin-1"), 6, -1),
    ]
    found = read(database(tmp_path, rows))

    assert bans(found) == [("192.0.2.10", None)]
    assert {fault.why for fault in found.faults} == {
        "'alice': not an IPv4 or IPv6 address",
        "192.0.2.7: its times are no numbers",
        "192.0.2.8: its times are no numbers",
        "\"b'192.0.2.9'\": not an IPv4 or IPv6 address",
    }


def test_while_fail2ban_runs(tmp_path: Path) -> None:
    """It is read beside a fail2ban that keeps it open as the real one does, and is not changed."""
    path = database(tmp_path, [("192.0.2.7", "sshd", NOW_S, 600)])
    before = path.read_bytes()
    with contextlib.closing(sqlite3.connect(path)) as running:
        running.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;")
        running.execute("BEGIN IMMEDIATE")
        assert bans(read(path)) == [("192.0.2.7", 600)]

    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that is not given up is told."""
    monkeypatch.setattr(fail2ban, "LOCK_S", 0.01)
    path = database(tmp_path, [])
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ImportFault, match="cannot be read: database is locked"):
            read(path)


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ("CREATE TABLE t(a)", r"no database of fail2ban 0.11 or later \(no such table: bips\)"),
        ("CREATE TABLE bips(ip, jail, timeofban)", r"no such column: bantime"),
    ],
)
def test_other_databases(tmp_path: Path, schema: str, why: str) -> None:
    """A database of something else, or of an old version, is refused."""
    path = tmp_path / "other.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(schema)
    with pytest.raises(ImportFault, match=why):
        read(path)


def test_damage(tmp_path: Path) -> None:
    """A damaged file is refused, wherever the damage is."""
    path = database(tmp_path, [(f"192.0.2.{number}", "sshd", NOW_S, 600) for number in range(200)])
    whole = path.read_bytes()
    for at in range(16, len(whole), 997):
        path.write_bytes(whole[:at] + b"\xff" * 64 + whole[at + 64 :])
        with contextlib.suppress(ImportFault):
            read(path)
    path.write_bytes(whole[:100])
    with pytest.raises(ImportFault, match="cannot be read"):
        read(path)
