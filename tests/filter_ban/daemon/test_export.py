# SPDX-License-Identifier: ISC
"""``filter-ban export`` and ``filter-ban import`` of it, with a running daemon."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.filter_ban.daemon.process import WAIT_S, Daemon

MANY = 5000


def run(daemon: Daemon, *arguments: str) -> str:
    """Run a command to its good end; return what it said."""
    argv = [sys.executable, "-m", "filter_ban", *arguments, "-c", str(daemon.config)]
    result = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=WAIT_S)
    assert result.stderr == ""
    return result.stdout


@pytest.mark.parametrize("form", ["json", "csv"])
def test_there_and_back(daemon: Daemon, tmp_path: Path, form: str) -> None:
    """Bans that are exported, lifted and imported are the same, with their ends."""
    daemon.start()
    clients = [f"10.{n >> 8}.{n & 255}.1" for n in range(MANY)]
    for at in range(0, MANY, 1000):
        wishes = [{"client": client, "reason": f'"{client}", =1'} for client in clients[at : at + 1000]]
        daemon.ask("ban", clients=wishes, length=7200 + at)
    before = daemon.bans()
    path = tmp_path / "banned"

    assert run(daemon, "export", "--format", form, "-o", str(path)) == ""
    daemon.ask("lift", clients=["10.0.0.0/8"])
    assert daemon.bans() == {}
    assert run(daemon, "import", str(path)) == f"banned: {MANY:,} imported\n"
    after = daemon.bans()
    assert after.keys() == before.keys()
    for client, ban in after.items():
        assert ban["end"] == before[client]["end"]
        assert ban["reason"] == f"imported from banned, {before[client]['reason']}"


def test_ledger_after_the_daemon(daemon: Daemon) -> None:
    """Without a daemon the ledger tells the same."""
    daemon.start()
    daemon.ask("ban", clients=["192.0.2.7", "2001:db8:1::/48"])
    told = run(daemon, "export", "--format", "csv")
    daemon.stop()

    argv = [sys.executable, "-m", "filter_ban", "export", "--format", "csv", "-c", str(daemon.config)]
    result = subprocess.run(argv, capture_output=True, check=True, timeout=WAIT_S)
    assert sorted(result.stdout.decode().split("\r\n")) == sorted(told.split("\n"))
    assert b"This is what the ledger says:" in result.stderr
