# SPDX-License-Identifier: ISC
"""systemd's drop-in for nftables.service."""

import shutil
import sys
from pathlib import Path

import pytest

from filter_ban.config import Config
from filter_ban.setup import nftables
from filter_ban.setup.nftables import Nftables
from filter_ban.setup.programs import MissingProgramError
from tests.filter_ban.setup.firewalls import NftablesHost

COMMAND = "/usr/local/bin/filter-ban"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NftablesHost:
    """Return a machine with nftables.service and filter-ban in the usual place."""
    monkeypatch.setattr(shutil, "which", lambda name, path: COMMAND)
    return NftablesHost(tmp_path, monkeypatch)


USUAL = Nftables(Path("/etc/filter-ban.toml"))


def test_plan(host: NftablesHost) -> None:
    """A drop-in runs resync whenever rules were loaded; that it fails does not matter to the firewall."""
    plan = USUAL.plan(Config(), host)
    (change,) = plan.changes
    assert (change.path, change.old) == (host.drop_in, None)
    assert (
        change.new == f"[Service]\nExecStartPost=-{COMMAND} resync\nExecReload=-{COMMAND} resync\n".encode()
    )
    assert plan.place.next_step == "systemctl daemon-reload"
    assert plan.notes == ()
    plan.accept()


def test_other_configuration(host: NftablesHost) -> None:
    """The command names a configuration that is not the default one, and systemd reads it as it is written."""
    for path, word in (("/etc/ban.toml", "/etc/ban.toml"), ('/a b/%i$x"\\', '"/a b/%%i$$x\\"\\\\"')):
        assert f"=-{COMMAND} --config {word} resync\n" in Nftables(Path(path)).drop_in()
    assert host.unit.exists()


def test_own_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command is the one in the usual folders, else the one beside this Python, else this Python."""
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert f"=-{tmp_path}/python -m filter_ban resync\n" in USUAL.drop_in()
    (tmp_path / "filter-ban").touch()
    assert f"=-{tmp_path}/filter-ban resync\n" in USUAL.drop_in()


def test_no_service(host: NftablesHost) -> None:
    """Without systemd's service there is no file to write, and the operator is told what to run."""
    host.unit.unlink()
    plan = USUAL.plan(Config(), host)
    assert (plan.changes, plan.place.paths, plan.place.next_step) == ((), (), "")
    assert plan.notes == (f"without nftables.service, end whatever loads your rules with: {COMMAND} resync",)


def test_by_hand(host: NftablesHost) -> None:
    """For another machine the drop-in is told."""
    assert (
        USUAL.by_hand(Config())
        == f"# in {nftables.DROP_IN}, where systemd loads the rules\n{USUAL.drop_in()}"
    )
    assert host.drop_in == nftables.DROP_IN


def test_not_installed(monkeypatch: pytest.MonkeyPatch, host: NftablesHost) -> None:
    """Without nft there is no plan."""
    monkeypatch.setattr(host, "ask", lambda *_: None)
    with pytest.raises(MissingProgramError):
        USUAL.plan(Config(), host)
