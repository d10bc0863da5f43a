# SPDX-License-Identifier: ISC
"""Where the ledger lies."""

from pathlib import Path

import pytest

from filter_ban import places, state


def test_configured() -> None:
    """A configured path holds wherever the daemon serves."""
    path = Path("/srv/bans.sqlite3")
    assert state.ledger_path(path, Path("/run/filter-ban")) == path
    assert state.ledger_path(path, Path(places.private_dir(106))) == path


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux", "/var/lib/filter-ban/ledger.sqlite3"),
        ("openbsd7", "/var/db/filter-ban/ledger.sqlite3"),
        ("freebsd14", "/var/db/filter-ban/ledger.sqlite3"),
        ("netbsd10", "/var/db/filter-ban/ledger.sqlite3"),
    ],
)
def test_default(monkeypatch: pytest.MonkeyPatch, platform: str, expected: str) -> None:
    """Each platform has its folder for what must survive a reboot."""
    monkeypatch.setattr("sys.platform", platform)
    assert state.ledger_path(None, Path(places.default_socket_dir())) == Path(expected)
    assert state.ledger_path(None, Path("/srv/sockets")) == Path(expected)


def test_private() -> None:
    """A daemon in a private folder keeps its ledger there, whoever asks."""
    folder = Path(places.private_dir(106))
    assert state.ledger_path(None, folder) == folder / "ledger.sqlite3"


@pytest.mark.parametrize(
    "name", ["filter-ban-", "filter-ban-x", "filter-ban-0106", "filter-ban-\u0661", "filter-ban"]
)
def test_not_private(name: str) -> None:
    """A folder that only looks like a private one is not taken for one."""
    path = state.ledger_path(None, Path("/var/tmp") / name)
    assert path.parent == state.default_state_dir()
