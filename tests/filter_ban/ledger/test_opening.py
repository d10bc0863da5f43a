# SPDX-License-Identifier: ISC
"""Tests of filter_ban.ledger.opening and of what it uses: files, salvage."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filter_ban.client import parse_network
from filter_ban.ledger import Ledger, LedgerError, Trouble, files
from filter_ban.ledger.backlog import Memo
from filter_ban.model import Allowance, Ban, Login, Strike

NOW_S = 1_800_000_000
STAMP = "20270115T080000Z"

MakeBan = Callable[..., Ban]
MakeStrike = Callable[..., Strike]
MakeLogin = Callable[..., Login]


@pytest.fixture
def full(path: Path, make_ban: MakeBan, make_strike: MakeStrike, make_login: MakeLogin) -> Path:
    """Return the path of a closed ledger with 2,000 bans, 2,000 strikes and 2,000 logins."""
    with Ledger.open(path, NOW_S, user_key=b"k" * 16) as ledger:
        ledger.record_bans([make_ban(number, reference=f"R{number}") for number in range(2000)])
        ledger.record_strikes([make_strike(number) for number in range(2000)])
        ledger.record_logins([make_login(number) for number in range(2000)])
    return path


def test_new_ledger(path: Path) -> None:
    """A missing ledger is begun, with its folder, for its owner only, with a random key."""
    with Ledger.open(path, NOW_S) as ledger:
        modes = [file.stat().st_mode & 0o777 for file in (path, *path.parent.iterdir(), path.parent)]
        key = ledger.user_key

    assert {0o600} == set(modes[:-1])
    assert modes[-1] == 0o700
    assert len(set(key)) == 16 or len(set(key)) > 4
    with Ledger.open(path, NOW_S) as ledger:
        assert key == ledger.user_key


def test_mode_of_the_companions_with_a_wide_umask(path: Path) -> None:
    """The -wal and -shm files are for the owner only, whatever the umask."""
    umask = os.umask(0)
    try:
        with Ledger.open(path, NOW_S):
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(umask)

    assert modes == {"ledger.sqlite3": 0o600, "ledger.sqlite3-wal": 0o600, "ledger.sqlite3-shm": 0o600}


def test_sound_settings(ledger: Ledger) -> None:
    """The file is in WAL mode, and a commit reaches the disk before it returns."""
    settings = {
        name: ledger._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
    }

    assert settings == {"journal_mode": "wal", "synchronous": 2}


def damage(path: Path, offset: int, length: int) -> None:
    """Overwrite a part of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * length)


@pytest.mark.parametrize(
    ("part", "at_least"),
    [(0.0, 0), (0.1, 200), (0.3, 200), (0.6, 1000), (0.9, 1000)],
)
def test_damaged_file(full: Path, part: float, at_least: int) -> None:
    """A damaged file is set aside unchanged; what could be read is in the new one, which works."""
    damage(full, int(full.stat().st_size * part), 9000)
    before = full.read_bytes()
    with Ledger.open(full, NOW_S) as ledger:
        kept = [ban.reference for ban in ledger.active_bans(NOW_S)]
        list(ledger.strikes_since(0))
        list(ledger.logins_since(0))

    assert before == full.with_name(f"ledger.sqlite3.corrupt-{STAMP}").read_bytes()
    assert len(set(kept)) == len(kept) >= at_least
    with Ledger.open(full, NOW_S) as ledger:
        assert kept == [ban.reference for ban in ledger.active_bans(NOW_S)]


def test_damage_to_an_index_costs_nothing(full: Path) -> None:
    """When only an index is damaged every ban, strike and login is saved, and the key with them."""
    with Ledger.open(full, NOW_S) as ledger:
        (root,) = ledger._db.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'ban_client'"
        ).fetchone()
    damage(full, (root - 1) * 4096, 4096)
    with Ledger.open(full, NOW_S) as ledger:
        facts = ledger.facts(NOW_S)

        assert (facts.bans, facts.strikes) == (2000, 2000)
        assert len(list(ledger.logins_since(0))) == 2000
        assert ledger.user_key == b"k" * 16
    assert full.with_name(f"ledger.sqlite3.corrupt-{STAMP}").exists()


def test_damage_among_the_logins(full: Path) -> None:
    """Of a table of logins that is damaged in the middle both ends are saved, and all of the other tables."""
    with Ledger.open(full, NOW_S) as ledger:
        pages = ledger._db.execute(
            "SELECT pageno FROM dbstat WHERE name = 'login' AND pagetype = 'leaf' ORDER BY path"
        ).fetchall()
        whole = [login.client for login in ledger.logins_since(0)]
    (page,) = pages[len(pages) // 2]
    damage(full, (page - 1) * 4096, 4096)
    with Ledger.open(full, NOW_S) as ledger:
        facts = ledger.facts(NOW_S)
        kept = [login.client for login in ledger.logins_since(0)]

        assert (facts.bans, facts.strikes) == (2000, 2000)
    assert 1000 < len(kept) < 2000
    assert [whole[0], whole[-1]] == [kept[0], kept[-1]]


def test_damaged_file_of_version_3(path: Path) -> None:
    """Of a damaged file that knows no nodes everything is this node's own; all but the damaged table is saved."""
    path.parent.mkdir()
    path.write_bytes(Path(__file__).with_name("version-3.sqlite3").read_bytes())
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        ((root,),) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'login'").fetchall()
    damage(path, (root - 1) * 4096, 4096)
    with Ledger.open(path, NOW_S) as ledger:
        assert [record.ban.node for record in ledger.records()] == ["", "", ""]
        assert [strike.node for strike in ledger.strikes_since(0)] == ["", "", ""]
        assert [allowance.here for allowance in ledger.allowances(NOW_S)] == [False]
        assert ledger.user_key == b"version-3-of-key"
    assert path.with_name(f"ledger.sqlite3.corrupt-{STAMP}").exists()


def test_what_is_saved_of_a_cluster(path: Path, make_ban: MakeBan, make_strike: MakeStrike) -> None:
    """Bans and strikes that are saved are still those of their nodes; how far those were read is begun anew."""
    allowance = Allowance(parse_network("192.0.2.0/24"), NOW_S, None, "office", here=True)
    with Ledger.open(path, NOW_S) as ledger:
        ledger.record_bans([make_ban(node="mx2")])
        ledger.record_strikes([make_strike(node="mx3")])
        ledger.allow([allowance])
        ledger.remember([Memo("position", "5-0")])
    with Ledger.open(path, NOW_S, damaged=True) as ledger:
        assert [make_ban(node="mx2")] == list(ledger.active_bans(NOW_S))
        assert [make_strike(node="mx3")] == list(ledger.strikes_since(0))
        assert [allowance] == list(ledger.allowances(NOW_S))
        assert ledger.memory() == {}


def test_damaged_file_of_version_1(path: Path) -> None:
    """A damaged file that knows no logins yet becomes one that does."""
    path.parent.mkdir()
    path.write_bytes(Path(__file__).with_name("version-1.sqlite3").read_bytes())
    damage(path, path.stat().st_size - 4096, 4096)
    with Ledger.open(path, NOW_S) as ledger:
        assert len(list(ledger.records())) == 3
        assert list(ledger.logins_since(0)) == []


@pytest.mark.parametrize("part", [0.001, 0.02, 0.5, 0.95])
def test_truncated_file(full: Path, part: float) -> None:
    """A truncated file is set aside, and the ledger works."""
    os.truncate(full, int(full.stat().st_size * part))
    with Ledger.open(full, NOW_S) as ledger:
        assert len(list(ledger.active_bans(NOW_S))) <= 2000
        assert ledger.prune(NOW_S, strike_age_s=1e9, ban_age_s=1e9, login_age_s=1e9) == 0

    assert full.with_name(f"ledger.sqlite3.corrupt-{STAMP}").exists()


def test_file_of_no_length(path: Path) -> None:
    """A file of no length, as a full disk leaves it, is begun anew."""
    path.parent.mkdir()
    path.touch()
    with Ledger.open(path, NOW_S) as ledger:
        assert list(ledger.records()) == []

    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize("exists", [True, False])
def test_lost_file_with_a_wal(path: Path, exists: bool) -> None:
    """A -wal file without its database is kept under another name and not taken for that of a new one."""
    path.parent.mkdir()
    if exists:
        path.touch()
    files.companion(path, "-wal").write_bytes(b"precious")
    with Ledger.open(path, NOW_S):
        pass

    assert path.with_name(f"ledger.sqlite3.corrupt-{STAMP}-wal").read_bytes() == b"precious"


def test_no_database(path: Path) -> None:
    """Any other file in its place is set aside; a second one of the same second gets a number."""
    path.parent.mkdir()
    for content in (b"first" * 1000, b"second" * 1000):
        path.write_bytes(content)
        with Ledger.open(path, NOW_S):
            pass

    assert path.with_name(f"ledger.sqlite3.corrupt-{STAMP}").read_bytes() == b"first" * 1000
    assert path.with_name(f"ledger.sqlite3.corrupt-{STAMP}-2").read_bytes() == b"second" * 1000


def test_disk_is_not_filled_with_damaged_files(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After too many damaged files the next one stays, and somebody must look."""
    monkeypatch.setattr(files, "MAX_SET_ASIDE", 2)
    path.parent.mkdir()
    for _ in range(2):
        path.write_bytes(b"rubbish" * 1000)
        Ledger.open(path, NOW_S).close()
    path.write_bytes(b"rubbish" * 1000)

    with pytest.raises(LedgerError, match="2 damaged files were set aside already: move them away") as raised:
        Ledger.open(path, NOW_S)
    assert Trouble.CORRUPT is raised.value.trouble
    assert path.read_bytes() == b"rubbish" * 1000


def test_interrupted_rescue_is_completed(full: Path, make_ban: MakeBan) -> None:
    """When a rescue was interrupted after the damaged file had left, its result takes the place."""
    full.rename(full.with_name("ledger.sqlite3.salvaged"))
    with Ledger.open(full, NOW_S) as ledger:
        assert ledger.facts(NOW_S).bans == 2000


def test_folder_in_place_of_the_file(path: Path) -> None:
    """A folder of that name is trouble and not a new ledger."""
    path.mkdir(parents=True)
    with pytest.raises(LedgerError, match="cannot be used") as raised:
        Ledger.open(path, NOW_S)

    assert Trouble.UNUSABLE is raised.value.trouble
    assert [path] == list(path.parent.iterdir())


def test_file_in_place_of_the_folder(path: Path) -> None:
    """A file where the folder should be is trouble."""
    path.parent.touch()
    with pytest.raises(LedgerError, match="cannot be used"):
        Ledger.open(path, NOW_S)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage(tmp_path_factory: pytest.TempPathFactory, make_ban: MakeBan, data: st.DataObject) -> None:
    """Whatever bytes are changed, opening and reading give a ledger or a LedgerError, and nothing is deleted."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite3"
    with Ledger.open(path, NOW_S) as ledger:
        ledger.record_bans([make_ban(number) for number in range(60)])
    content = bytearray(path.read_bytes())
    for offset in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=20)):
        content[offset] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        with Ledger.open(path, NOW_S) as ledger:
            list(ledger.records())
            list(ledger.active_bans(NOW_S))
            ledger.record_bans([make_ban(1000)])
    except LedgerError:
        assert path.exists()
