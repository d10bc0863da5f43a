# SPDX-License-Identifier: ISC
"""What the tests of the ledger share."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filter_ban.client import ClientKey, parse_network
from filter_ban.ledger import Ledger, LedgerWriter, Retention
from filter_ban.ledger.backlog import Backlog
from filter_ban.ledger.writer import Pace
from filter_ban.model import Ban, Kind, Login, Strike

NOW_S = 1_800_000_000
BOUND_S = 20.0

MakeBan = Callable[..., Ban]
MakeStrike = Callable[..., Strike]
MakeLogin = Callable[..., Login]
Until = Callable[[Callable[[], object]], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a ledger may be made."""
    return tmp_path / "state" / "ledger.sqlite3"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    """Return a new ledger."""
    with Ledger.open(path, NOW_S) as opened:
        yield opened


@pytest.fixture
def make_ban() -> MakeBan:
    """Return a maker of bans that start now and last 15 minutes."""

    def make(
        client: ClientKey | str | int = "192.0.2.7",
        start_s: int = NOW_S,
        length_s: int | None = 900,
        **more: object,
    ) -> Ban:
        values = {"rule": "5 in 10m", "reason": "5 strikes within 10m", "reference": "7KQ2M4XD", **more}
        end_s = None if length_s is None else start_s + length_s
        return Ban(client=_key(client), start_s=start_s, end_s=end_s, **values)  # type: ignore[arg-type] # by name

    return make


@pytest.fixture
def make_strike() -> MakeStrike:
    """Return a maker of strikes; the user's name is stored masked."""

    def make(
        client: ClientKey | str | int = "192.0.2.7",
        time_s: float = NOW_S,
        user: str = "",
        user_tag: int = 0,
        node: str = "",
    ) -> Strike:
        return Strike(_key(client), time_s, Kind.AUTH_FAIL, 1.0, user, user_tag, "smtps", node=node)

    return make


@pytest.fixture
def make_login() -> MakeLogin:
    """Return a maker of logins that happen now."""

    def make(client: ClientKey | str | int = "192.0.2.7", user_tag: int = 5, time_s: float = NOW_S) -> Login:
        return Login(_key(client), user_tag, time_s)

    return make


def _key(client: ClientKey | str | int) -> ClientKey:
    if isinstance(client, int):
        client = f"10.{client >> 16 & 255}.{client >> 8 & 255}.{client & 255}"
    return parse_network(client) if isinstance(client, str) else client


@pytest.fixture
def until() -> Until:
    """Return a function that waits until a condition holds, with a bound that is only reached by a failure."""

    def wait(condition: Callable[[], object]) -> None:
        end_s = time.monotonic() + BOUND_S
        while not condition():
            assert time.monotonic() < end_s, "waited in vain"
            time.sleep(0.005)

    return wait


class Daemon:
    """A writer with what it told."""

    def __init__(self, path: Path, ledger: Ledger | None, backlog: Backlog) -> None:
        self.committed: list[Ban] = []
        self.opened = 0
        self.backlog = backlog
        self.writer = LedgerWriter(
            path,
            clock=lambda: NOW_S,
            retention=Retention(strike_age_s=604_800, ban_age_s=2_592_000, login_age_s=5_184_000),
            ledger=ledger,
            on_committed=self.committed.extend,
            on_opened=self._on_opened,
            pace=Pace(flush_s=0.02, check_s=0.05, first_retry_s=0.02, last_retry_s=0.1),
            backlog=backlog,
        )
        self.writer.start()

    def _on_opened(self, _: Ledger) -> None:
        self.opened += 1


@pytest.fixture
def run_daemon() -> Iterator[Callable[..., Daemon]]:
    """Return a function that starts a writer; all are stopped in the end."""
    started: list[Daemon] = []

    def run(path: Path, ledger: Ledger | None = None, backlog: Backlog | None = None) -> Daemon:
        started.append(Daemon(path, ledger, Backlog() if backlog is None else backlog))
        return started[-1]

    yield run
    for daemon in started:
        daemon.writer.stop(1)


class Disk:
    """A file system of 1 MiB of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def remount(self, how: str) -> None:
        """Mount it again, ``ro`` or ``rw``."""
        subprocess.run(["mount", "-o", f"remount,{how}", self.folder], check=True)

    def fill(self) -> Path:
        """Fill it with one file."""
        filler = self.folder / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                return filler
        raise AssertionError


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Mount a small file system."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "filter-ban-test", folder], check=True)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
