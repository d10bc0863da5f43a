# SPDX-License-Identifier: ISC
"""Tests of filter_ban.ledger.writer in trouble, which is always a real one."""

import logging
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from filter_ban.client import ClientKey, parse_network
from filter_ban.ledger import Ledger, LedgerError, open_reader
from filter_ban.ledger.backlog import Backlog
from filter_ban.model import Ban, Login, Pardon, Strike

NOW_S = 1_800_000_000
CLIENT = parse_network("192.0.2.7")

MakeBan = Callable[..., Ban]
MakeStrike = Callable[..., Strike]
MakeLogin = Callable[..., Login]
RunDaemon = Callable[..., Any]
Until = Callable[[Callable[[], object]], None]


def stored(path: Path) -> list[ClientKey]:
    """Return the clients with an active ban, as another process reads them."""
    with open_reader(path) as reader:
        return [ban.client for ban in reader.active_bans(NOW_S)]


def strikes_in(path: Path) -> list[Strike]:
    """Return all strikes, as another process reads them."""
    with open_reader(path) as reader:
        return list(reader.strikes_since(0))[::-1]


def logins_in(path: Path) -> list[Login]:
    """Return all logins, as another process reads them; none before there is a ledger."""
    try:
        with open_reader(path) as reader:
            return list(reader.logins_since(0))
    except LedgerError:
        return []


def test_locked(
    path: Path,
    run_daemon: RunDaemon,
    make_ban: MakeBan,
    until: Until,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """While another program holds the lock, work waits in memory; one line says so; then all is written."""
    daemon = run_daemon(path)
    until(lambda: daemon.opened)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        daemon.writer.record([make_ban()])
        daemon.writer.forgive([Pardon(CLIENT, 5, NOW_S)])
        until(lambda: not daemon.writer.health().ok)
        daemon.writer.record([make_ban("192.0.2.8")])
        health = daemon.writer.health()

        assert "is locked" in health.problem
        assert (health.pending_bans, health.pending_strikes) == (2, 1)
        assert daemon.committed == []
        other.execute("ROLLBACK")
    until(lambda: daemon.writer.health().ok)
    until(lambda: not daemon.writer.health().pending_strikes)

    assert [make_ban(), make_ban("192.0.2.8")] == daemon.committed
    assert (daemon.writer.health().pending_bans, daemon.writer.health().pending_strikes) == (0, 0)
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


def test_locked_while_stopping(path: Path, run_daemon: RunDaemon, make_ban: MakeBan, until: Until) -> None:
    """A stop does not wait for ever, and says that work is left."""
    daemon = run_daemon(path)
    until(lambda: daemon.opened)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        daemon.writer.record([make_ban()])

        assert not daemon.writer.stop(0.1)


def test_disk_full(disk: Any, run_daemon: RunDaemon, make_ban: MakeBan, until: Until) -> None:
    """On a full disk bans wait in memory, and are written when there is room again."""
    path = disk.folder / "ledger.sqlite3"
    daemon = run_daemon(path)
    until(lambda: daemon.opened)
    filler = disk.fill()
    bans = [make_ban(number) for number in range(2000)]
    daemon.writer.record(bans)
    until(lambda: not daemon.writer.health().ok)

    assert "disk is full" in daemon.writer.health().problem
    filler.unlink()
    until(lambda: len(daemon.committed) == len(bans))
    assert [ban.client for ban in bans] == stored(path)


def test_disk_full_at_start(disk: Any, run_daemon: RunDaemon, make_ban: MakeBan, until: Until) -> None:
    """A ledger that cannot be begun for want of room is begun later."""
    filler = disk.fill()
    daemon = run_daemon(disk.folder / "ledger.sqlite3")
    daemon.writer.record([make_ban()])
    until(lambda: not daemon.writer.health().ok)
    filler.unlink()
    until(lambda: daemon.committed)

    assert stored(disk.folder / "ledger.sqlite3") == [CLIENT]


def test_read_only(disk: Any, run_daemon: RunDaemon, make_ban: MakeBan, until: Until) -> None:
    """On a read-only file system the ledger can be read, and is written once that is possible again."""
    path = disk.folder / "ledger.sqlite3"
    with Ledger.open(path, NOW_S) as ledger:
        ledger.record_bans([make_ban("192.0.2.8")])
    disk.remount("ro")
    daemon = run_daemon(path)
    daemon.writer.record([make_ban()])
    until(lambda: not daemon.writer.health().ok)

    assert "read-only" in daemon.writer.health().problem
    assert [parse_network("192.0.2.8")] == stored(path)
    disk.remount("rw")
    until(lambda: daemon.committed)
    assert [parse_network("192.0.2.8"), CLIENT] == stored(path)


def test_folder_in_place_of_the_file(
    path: Path, run_daemon: RunDaemon, make_ban: MakeBan, until: Until
) -> None:
    """A folder of that name is trouble, not a new ledger, and is left alone."""
    path.mkdir(parents=True)
    daemon = run_daemon(path)
    daemon.writer.record([make_ban()])
    until(lambda: not daemon.writer.health().ok)

    assert [path] == list(path.parent.iterdir())
    path.rmdir()
    until(lambda: daemon.committed)


def test_file_deleted(
    path: Path, run_daemon: RunDaemon, make_ban: MakeBan, make_login: MakeLogin, until: Until
) -> None:
    """When the files are deleted in use, a new ledger holds the bans and logins of the old one and the next."""
    daemon = run_daemon(path)
    daemon.writer.login([make_login()])
    until(lambda: logins_in(path))
    daemon.writer.record([make_ban()])
    until(lambda: daemon.committed)
    for file in path.parent.iterdir():
        file.unlink()
    daemon.writer.record([make_ban("192.0.2.8")])
    until(lambda: len(daemon.committed) == 2)

    assert [CLIENT, parse_network("192.0.2.8")] == stored(path)
    assert [make_login()] == logins_in(path)
    assert daemon.opened == 2


def test_memory_of_a_deleted_file(
    path: Path, run_daemon: RunDaemon, make_strike: MakeStrike, until: Until
) -> None:
    """A new file is told again what the old one remembered, after the strikes that wait; what is forgotten is not."""
    daemon = run_daemon(path)
    daemon.writer.remember({"a": "1", "b": "1", "c": "1"})
    until(lambda: not daemon.backlog)
    daemon.writer.remember({"b": None})
    until(lambda: not daemon.backlog)
    for file in path.parent.iterdir():
        file.unlink()
    daemon.writer.strike([make_strike()])
    daemon.writer.remember({"c": "2"})
    until(lambda: daemon.opened == 2 and not daemon.backlog)

    with open_reader(path) as reader:
        assert reader.memory() == {"a": "1", "c": "2"}
    assert [make_strike()] == strikes_in(path)


def test_bans_of_other_nodes_in_a_deleted_file(
    path: Path, run_daemon: RunDaemon, make_ban: MakeBan, until: Until
) -> None:
    """A ban that is rescued from a deleted file is still that of its node."""
    daemon = run_daemon(path)
    daemon.writer.record([make_ban(node="mx2")])
    until(lambda: daemon.committed)
    shutil.rmtree(path.parent)
    until(lambda: daemon.opened == 2 and daemon.writer.health().ok)

    with open_reader(path) as reader:
        assert [make_ban(node="mx2")] == list(reader.active_bans(NOW_S))


def test_folder_deleted_while_idle(
    path: Path, run_daemon: RunDaemon, make_ban: MakeBan, until: Until
) -> None:
    """That the folder is gone is noticed without anything to write, and it is made again."""
    daemon = run_daemon(path)
    daemon.writer.record([make_ban()])
    until(lambda: daemon.committed)
    shutil.rmtree(path.parent)
    until(lambda: daemon.opened == 2)
    until(lambda: daemon.writer.health().ok)

    assert stored(path) == [CLIENT]


def test_file_replaced(
    path: Path, tmp_path: Path, run_daemon: RunDaemon, make_ban: MakeBan, until: Until
) -> None:
    """When another ledger takes the place of the file, that one is used from then on."""
    other = tmp_path / "other.sqlite3"
    with Ledger.open(other, NOW_S) as ledger:
        ledger.record_bans([make_ban("192.0.2.9")])
    daemon = run_daemon(path)
    daemon.writer.record([make_ban()])
    until(lambda: daemon.committed)
    other.rename(path)
    daemon.writer.record([make_ban("192.0.2.8")])
    until(lambda: len(daemon.committed) == 2)

    assert [parse_network("192.0.2.9"), parse_network("192.0.2.8")] == stored(path)


def test_damaged_in_use(path: Path, run_daemon: RunDaemon, make_ban: MakeBan, until: Until) -> None:
    """Damage found while writing sets the file aside; the readable bans and the next go into a new one."""
    bans = [make_ban(number) for number in range(3000)]
    with Ledger.open(path, NOW_S) as ledger:
        ledger.record_bans(bans)
    daemon = run_daemon(path)
    until(lambda: daemon.opened)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * (size // 4))
    with closing(sqlite3.connect(path)) as other:  # makes the writer read its pages again
        other.execute("INSERT INTO meta VALUES ('note', 1)")
        other.commit()
    more = [make_ban(100_000 + number) for number in range(3000)]
    daemon.writer.record(more)
    until(lambda: len(daemon.committed) == len(more))

    assert len(list(path.parent.glob("ledger.sqlite3.corrupt-*Z"))) == 1
    kept = stored(path)
    assert {ban.client for ban in more} <= set(kept)
    assert len(kept) > len(more) + 500


def test_strikes_overflow(
    path: Path, run_daemon: RunDaemon, make_ban: MakeBan, make_strike: MakeStrike, until: Until
) -> None:
    """When strikes cannot be written the oldest are dropped and counted; bans stay."""
    path.mkdir(parents=True)
    daemon = run_daemon(path, backlog=Backlog(max_counted=10))
    daemon.writer.record([make_ban()])
    for number in range(25):
        daemon.writer.strike([make_strike(number)])
    until(lambda: not daemon.writer.health().ok)
    health = daemon.writer.health()

    assert (health.pending_bans, health.pending_strikes, health.dropped_strikes) == (1, 10, 15)
    path.rmdir()
    until(lambda: daemon.writer.health().ok)
    until(lambda: len(strikes_in(path)) == 10)
    assert [make_strike(number) for number in range(15, 25)] == strikes_in(path)


def test_logins_overflow(path: Path, run_daemon: RunDaemon, make_login: MakeLogin, until: Until) -> None:
    """When logins cannot be written the oldest are dropped and counted; the rest is written in the end."""
    path.mkdir(parents=True)
    daemon = run_daemon(path, backlog=Backlog(max_logins=10))
    for number in range(25):
        daemon.writer.login([make_login(number)])
    until(lambda: not daemon.writer.health().ok)
    health = daemon.writer.health()

    assert (health.pending_logins, health.dropped_logins) == (10, 15)
    path.rmdir()
    until(lambda: len(logins_in(path)) == 10)
    assert [make_login(number) for number in range(15, 25)] == logins_in(path)


WRITING = """
import sys, time
from pathlib import Path
from filter_ban.client import make_key
from filter_ban.ledger import LedgerWriter, Retention
from filter_ban.model import Ban, Kind, Strike

now_s, first = 1_800_000_000, int(sys.argv[2])

def tell(bans):
    for ban in bans:
        sys.stdout.write(ban.reference + "\\n")
    sys.stdout.flush()

writer = LedgerWriter(
    Path(sys.argv[1]), clock=lambda: now_s, retention=Retention(strike_age_s=1e9, ban_age_s=1e9), on_committed=tell
)
writer.start()
for number in range(first, first + 1_000_000):
    key = make_key(number.to_bytes(4), 32)
    writer.record([Ban(client=key, start_s=now_s, end_s=None, rule="r", reason="r", reference=str(number))])
    writer.strike([Strike(key, now_s, Kind.AUTH_FAIL, 1.0)])
    time.sleep(0.0005)
"""


def test_killed_at_random_points(path: Path) -> None:
    """Every ban that was reported as committed is there after kill -9, and the file is sound."""
    random = Random(7)
    reported: set[str] = set()
    for life in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITING, path, str(life * 1_000_000 + 1)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        reported.add(process.stdout.readline().decode().strip())
        time.sleep(random.uniform(0, 0.1))  # where it is hit does not matter to the result
        process.send_signal(signal.SIGKILL)
        reported.update(process.stdout.read().decode().rpartition("\n")[0].split())
        process.wait()
        process.stdout.close()
        with Ledger.open(path, NOW_S) as ledger:
            found = {ban.reference for ban in ledger.active_bans(NOW_S)}

        assert reported <= found

    assert not list(path.parent.glob("*corrupt*"))
