# SPDX-License-Identifier: ISC
"""Tests of what the ledger does with tallies: store, reader, backlog, writer and salvage."""

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.ledger import Ledger, open_reader
from filter_ban.ledger import backlog as backlog_module
from filter_ban.ledger.backlog import Backlog
from filter_ban.model import Ban, Strike
from filter_ban.tally import HOUR_S, Tally

NOW_S = 1_800_000_000
HOUR = NOW_S // HOUR_S
MakeBan = Callable[..., Ban]
MakeStrike = Callable[..., Strike]

tallies = st.builds(
    Tally,
    st.integers(HOUR - 2, HOUR),
    st.sampled_from(["ban", "seen"]),
    st.sampled_from("abc"),
    st.integers(1, 9),
)


def test_numbers_of_the_same_are_added(ledger: Ledger) -> None:
    """Of each hour, what and name there is one row."""
    ledger.add_tallies([Tally(HOUR, "ban", "decoy", 2), Tally(HOUR, "ban", "5 in 10m", 1)])
    ledger.add_tallies([Tally(HOUR, "ban", "decoy", 3), Tally(HOUR - 1, "ban", "decoy", 7)])
    assert list(ledger.tallies(HOUR, HOUR + 1, ["ban"])) == [
        Tally(HOUR, "ban", "5 in 10m", 1),
        Tally(HOUR, "ban", "decoy", 5),
    ]
    assert list(ledger.tallies(HOUR - 1, HOUR + 1, ["seen"])) == []
    assert list(ledger.sums(HOUR - 1, HOUR + 1)) == [("ban", "5 in 10m", 1), ("ban", "decoy", 12)]
    assert ledger.first_tally_s() == (HOUR - 1) * HOUR_S


def test_nothing_is_tallied(ledger: Ledger) -> None:
    """A new ledger says so."""
    assert ledger.first_tally_s() is None
    assert list(ledger.sums(0, HOUR)) == []


def test_names_are_bounded_and_printable(ledger: Ledger) -> None:
    """A rule of a configuration or a service's name may be anything."""
    ledger.add_tallies([Tally(HOUR, "ban", "\x1b" + "x" * 1000, 1)])
    ((_, name, _),) = ledger.sums(HOUR, HOUR + 1)
    assert name.startswith("\\x1bxxx")
    assert len(name) == 100


def test_prune(ledger: Ledger) -> None:
    """Tallies of more than 400 days are forgotten, some at a time."""
    old = HOUR - 400 * 24
    ledger.add_tallies(Tally(hour, "seen", "decoy", 1) for hour in (old - 1, old, old + 1, HOUR))
    ages = {"strike_age_s": 1e9, "ban_age_s": 1e9, "login_age_s": 1e9}
    assert [ledger.prune(NOW_S, limit=1, **ages) for _ in range(3)] == [1, 1, 0]
    assert [tally.hour for tally in ledger.tallies(0, HOUR + 1, ["seen"])] == [old + 1, HOUR]


def test_bans_and_strikes_of_a_period(ledger: Ledger, make_ban: MakeBan, make_strike: MakeStrike) -> None:
    """Bans count by their start, and strikes are told of whoever was banned in the period."""
    ledger.record_bans(
        [
            make_ban("192.0.2.1", NOW_S - 5000),
            make_ban("192.0.2.2", NOW_S),
            make_ban("192.0.2.3", NOW_S + 9, None),
            make_ban("192.0.2.4", NOW_S + 10),
        ]
    )
    ledger.record_strikes(make_strike(f"192.0.2.{last}", NOW_S - 8) for last in (1, 2, 4))
    ledger.record_strikes([make_strike("192.0.2.2", NOW_S - 100)])
    assert list(ledger.ban_spans(NOW_S, NOW_S + 10)) == [
        ("192.0.2.2", NOW_S, NOW_S + 900, None, "5 in 10m"),
        ("192.0.2.3", NOW_S + 9, None, None, "5 in 10m"),
    ]
    assert list(ledger.strike_times(NOW_S, NOW_S + 10, NOW_S - 50)) == [("192.0.2.2", NOW_S - 8)]


@given(st.lists(st.lists(tallies, max_size=6), max_size=8), st.data())
def test_backlog_loses_no_number(batches: list[list[Tally]], data: st.DataObject) -> None:
    """Whenever chunks are taken off, also while more is added, what is taken and what is left is what was added."""
    backlog = Backlog()
    taken: Counter[tuple[int, str, str]] = Counter()
    for batch in batches:
        begun = backlog.begin_tallies() if data.draw(st.booleans()) else []
        backlog.add_tallies(batch)
        backlog.end_tallies(begun)
        for tally in begun:
            taken[tally.hour, tally.what, tally.name] += tally.number
    added: Counter[tuple[int, str, str]] = Counter()
    for tally in (tally for batch in batches for tally in batch):
        added[tally.hour, tally.what, tally.name] += tally.number
    assert taken + Counter(backlog.tallies) == added


def test_backlog_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that cannot be written for long costs the oldest tallies, and they are counted."""
    monkeypatch.setattr(backlog_module, "MAX_TALLIES", 3)
    backlog = Backlog()
    backlog.add_tallies(Tally(hour, "seen", "decoy", 1) for hour in range(5))
    assert [tally.hour for tally in backlog.begin_tallies()] == [2, 3, 4]
    assert backlog.dropped_tallies == 2
    assert backlog


def test_writer(path: Path, run_daemon: Callable[..., Any], until: Callable[..., None]) -> None:
    """Tallies are written with the next flush, and what is added then goes to the same rows."""
    daemon = run_daemon(path)
    for _ in range(2):
        daemon.writer.tally([Tally(HOUR, "seen", "decoy", 2)])
        until(lambda: not daemon.writer.health().pending_tallies)
    daemon.writer.tally([Tally(HOUR, "seen", "decoy", 2)])
    assert daemon.writer.stop(10)
    with open_reader(path) as reader:
        assert list(reader.sums(HOUR, HOUR + 1)) == [("seen", "decoy", 6)]


def test_damage(path: Path) -> None:
    """Tallies that can still be read move to the new file; rows without sense do not."""
    with Ledger.open(path, NOW_S) as ledger:
        ledger.add_tallies(Tally(HOUR - hour, "seen", "decoy", 1) for hour in range(5000))
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = bytearray(path.read_bytes())
    at = len(raw) * 3 // 4 // 4096 * 4096
    raw[at : at + 4096] = bytes(4096)
    path.write_bytes(raw)
    with Ledger.open(path, NOW_S) as ledger:
        saved = sum(1 for _ in ledger.tallies(0, HOUR + 1, ["seen"]))
    assert 4000 < saved < 5000
