# SPDX-License-Identifier: ISC
"""Tests of filter_ban.ledger.reader."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filter_ban.client import parse_network
from filter_ban.ledger import Ledger, LedgerError, Trouble, files, open_reader
from filter_ban.model import Ban, Strike

NOW_S = 1_800_000_000
CLIENT = parse_network("192.0.2.7")
READ = """
import os, sys
from pathlib import Path
from filter_ban.client import key_text
from filter_ban.ledger import open_reader
os.setgroups([]), os.setgid(65_534), os.setuid(65_534)  # after the imports: nobody may not read root's Python
with open_reader(Path(sys.argv[1])) as reader:
    print(*(key_text(ban.client) for ban in reader.active_bans(1_800_000_000)))
"""

MakeBan = Callable[..., Ban]
MakeStrike = Callable[..., Strike]


def read_as_nobody(path: Path) -> str:
    """Return what a user reads who may read the files and not write the folder."""
    if os.geteuid() != 0:
        pytest.skip("only root may run a program as another user")
    code = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", READ, path], cwd=code, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def public() -> Iterator[Path]:
    """Return a path in a folder that everybody may enter; pytest's own are private."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder, "ledger.sqlite3")


def let_read(path: Path) -> None:
    """Let everybody read the files."""
    for file in path.parent.iterdir():
        file.chmod(0o644)


def test_while_the_daemon_writes(public: Path, make_ban: MakeBan) -> None:
    """A reader sees each commit, though it may not write the folder."""
    with Ledger.open(public, NOW_S) as ledger:
        ledger.record_bans([make_ban("192.0.2.1")])
        let_read(public)
        assert read_as_nobody(public) == "192.0.2.1"
        ledger.record_bans([make_ban("192.0.2.2")])
        assert read_as_nobody(public) == "192.0.2.1 192.0.2.2"


def test_after_an_orderly_stop(public: Path, make_ban: MakeBan) -> None:
    """A reader that may not write the folder reads a file that was closed, and leaves nothing behind."""
    with Ledger.open(public, NOW_S) as ledger:
        ledger.record_bans([make_ban("192.0.2.1")])
    let_read(public)

    assert read_as_nobody(public) == "192.0.2.1"
    assert [public] == list(public.parent.iterdir())


def test_after_a_crash(public: Path, tmp_path: Path, make_ban: MakeBan) -> None:
    """What is only in the -wal file when the daemon dies is read too."""
    with Ledger.open(tmp_path / "alive" / "ledger.sqlite3", NOW_S) as ledger:
        ledger.record_bans([make_ban("192.0.2.1")])
        for file in (tmp_path / "alive").iterdir():
            shutil.copy(file, public.parent)
    let_read(public)

    assert read_as_nobody(public) == "192.0.2.1"


def test_reader_changes_nothing(path: Path, make_ban: MakeBan) -> None:
    """A reader with all rights changes neither the file nor what waits in the -wal file."""
    with Ledger.open(path, NOW_S) as ledger:
        ledger.record_bans([make_ban()])
        before = [path.read_bytes(), files.companion(path, "-wal").read_bytes()]
        with open_reader(path) as reader:
            assert [make_ban()] == list(reader.active_bans(NOW_S))

        assert before == [path.read_bytes(), files.companion(path, "-wal").read_bytes()]


def test_reader_sees_one_moment(ledger: Ledger, path: Path, make_ban: MakeBan) -> None:
    """A reader in the middle of its rows neither waits for a writer nor makes it wait."""
    ledger.record_bans([make_ban(number) for number in range(100)])
    with open_reader(path) as reader:
        bans = reader.active_bans(NOW_S)
        next(bans)
        ledger.record_bans([make_ban(1000)])

        assert len(list(bans)) == 99
        assert len(list(reader.active_bans(NOW_S))) == 101


def test_absent(path: Path) -> None:
    """A ledger that is not there is absent, and not made."""
    with pytest.raises(LedgerError, match="does not exist") as raised:
        open_reader(path)

    assert Trouble.ABSENT is raised.value.trouble
    assert not path.parent.exists()


@pytest.mark.parametrize("content", [b"rubbish" * 1000, b"x"])
def test_damaged(path: Path, content: bytes) -> None:
    """A damaged file is said to be one, and left for the daemon."""
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="is damaged") as raised:
        open_reader(path)

    assert Trouble.CORRUPT is raised.value.trouble
    assert content == path.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ban SET client = 'nobody'",
        "UPDATE ban SET client = CAST(x'FF' AS TEXT)",
        "UPDATE strike SET client = ''",
        "UPDATE login SET client = 'nobody'",
        "DELETE FROM meta",
    ],
)
def test_rows_without_sense(ledger: Ledger, change: str) -> None:
    """Rows that we cannot have written are damage."""
    ledger._db.execute("INSERT INTO ban VALUES (1, '192.0.2.7', 1, NULL, '', '', 1, 1, '', 1, NULL, '', '')")
    ledger._db.execute("INSERT INTO strike VALUES (1, '192.0.2.7', 1, 'auth-fail', 1, '', 0, '', '')")
    ledger._db.execute("INSERT INTO login VALUES ('192.0.2.7', 5, 1)")
    ledger._db.execute(change)
    with pytest.raises(LedgerError, match="is damaged") as raised:
        _ = (
            list(ledger.active_bans(1)),
            list(ledger.strikes_since(0)),
            list(ledger.logins_since(0)),
            ledger.user_key,
        )

    assert Trouble.CORRUPT is raised.value.trouble


def test_kind_of_a_newer_program(ledger: Ledger, make_strike: MakeStrike) -> None:
    """A strike of a kind that is not known yet is passed over; its neighbours are read."""
    ledger.record_strikes([make_strike(time_s=NOW_S + number) for number in range(3)])
    ledger._db.execute("UPDATE strike SET kind = 'not-yet-known' WHERE id = 2")

    assert [make_strike(time_s=NOW_S + 2), make_strike()] == list(ledger.strikes_since(0))


def test_strikes_that_were_reported_late(ledger: Ledger, make_strike: MakeStrike) -> None:
    """Strikes come newest first by when they happened, whenever they were recorded."""
    times_s = [NOW_S + later_s for later_s in (5, 1.5, 9, 1, 5)]
    for time_s in times_s:
        ledger.record_strikes([make_strike(time_s=time_s)])

    assert sorted(times_s, reverse=True) == [strike.time_s for strike in ledger.strikes_since(0)]
    assert [strike.time_s for strike in ledger.strikes_since(NOW_S + 4)][:2] == [NOW_S + 9, NOW_S + 5]
    assert [strike.time_s for strike in ledger.strikes_of(CLIENT, 2)] == [NOW_S + 9, NOW_S + 5]


def test_lifts_since(ledger: Ledger, make_ban: MakeBan) -> None:
    """The last lift by hand of each client is told, newest first; not the never-list, and not one for this node alone."""
    for number in range(4):
        ledger.record_bans([make_ban(number)])
    ledger.record_bans([make_ban(4, length_s=60)])
    ledger.lift([make_ban(1).client], NOW_S + 5.5, "operator")
    ledger.lift([make_ban(2).client], NOW_S + 7, "never-list")
    ledger.lift([make_ban(0).client], NOW_S + 2, "operator here")
    ledger.lift([make_ban(3).client], NOW_S + 1, "operator")
    ledger.record_bans([make_ban(1, start_s=NOW_S + 8)])
    ledger.lift([make_ban(1).client], NOW_S + 9, "mx2")
    ledger.record_bans([make_ban(0, start_s=NOW_S + 8)])

    one, three = make_ban(1).client, make_ban(3).client
    assert list(ledger.lifts_since(0)) == [(one, NOW_S + 9.0), (three, NOW_S + 1.0)]
    assert list(ledger.lifts_since(NOW_S + 1)) == [(one, NOW_S + 9.0)]
    assert list(ledger.lifts_since(NOW_S + 9)) == []
