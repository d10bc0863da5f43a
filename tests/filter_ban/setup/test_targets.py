# SPDX-License-Identifier: ISC
"""A firewall's set-up together with our own configuration."""

import sys
import time
from pathlib import Path

import attrs
import pytest

from filter_ban.config import Config, load_config
from filter_ban.setup import postfix
from filter_ban.setup.files import BACKUP, Change, SetupError, read, write
from filter_ban.setup.plan import Ask, Place, Plan
from filter_ban.setup.targets import FirewallTarget, make_target, restart_command


@attrs.define
class Target:
    """A firewall with one file, or none."""

    file: Path | None

    def place(self, ask: Ask) -> Place:
        """Return the file."""
        ask(())
        return Place((self.file,) if self.file else (), lambda: None, "reload" if self.file else "")

    def plan(self, config: Config, ask: Ask) -> Plan:
        """Write the configured table's name into it."""
        place = self.place(ask)
        changes = (Change(path, read(path), config.firewall.table.encode()) for path in place.paths)
        return Plan(place, tuple(change for change in changes if change.alters), ("theirs",), place.accept)

    def by_hand(self, config: Config) -> str:
        """Return nothing."""
        return ""


def ask(_: object) -> str:
    """Answer anything."""
    return ""


class Rig:
    """A firewall "pf" beside our configuration."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "filter-ban.toml"
        self.main = folder / "pf.conf"
        self.target = FirewallTarget("pf", Target(self.main), self.file)

    def plan(self, text: str) -> Plan:
        """Return the plan for a configuration."""
        self.file.write_text(text)
        return self.target.plan(load_config(self.file)[0], ask)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Return a firewall."""
    return Rig(tmp_path)


def test_plan(rig: Rig) -> None:
    """Our configuration comes first, then the firewall's files; the next step is theirs, then ours."""
    plan = rig.plan('mode = "enforce"\n')
    assert [(change.path, change.new) for change in plan.changes] == [
        (rig.file, b'mode = "enforce"\n\n[firewall]\nbackend = "pf"\n'),
        (rig.main, b"filter-ban"),
    ]
    assert plan.place.paths == (rig.file, rig.main)
    assert plan.place.next_step == f"reload && {restart_command()}"


def test_configured_already(rig: Rig) -> None:
    """A configuration that names the firewall is no change."""
    assert [change.path for change in rig.plan('firewall.backend = ["route", "pf"]\n').changes] == [rig.main]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[firewall]\nports = [25]\n", None),
        ("", "loses everything, SSH too"),
        ('firewall.backend = "route"', "to pf in place of route; two at once are an array"),
        ('firewall.backend = ["route", "pf"]\nfirewall.ports = []', "loses everything, SSH too"),
        ('mode = "watch"\n', 'mode = "watch"'),
    ],
)
def test_notes(rig: Rig, text: str, expected: str | None) -> None:
    """What the operator may not expect is told, after the firewall's own notes."""
    first, *notes = rig.plan(text).notes
    assert first == "theirs"
    assert any(expected in note for note in notes) if expected else notes == []


def test_contradiction(rig: Rig) -> None:
    """A configuration that would not be accepted is not planned."""
    rig.target = attrs.evolve(rig.target, backend="route")
    with pytest.raises(SetupError, match=r"firewall\.ports.*nothing is changed"):
        rig.plan("[firewall]\nports = [25]\n")


def test_place_for_undo(rig: Rig) -> None:
    """Undo concerns our configuration only as long as it names this firewall."""
    rig.file.write_text('firewall.backend = "pf"')
    assert rig.target.place(ask).paths == (rig.file, rig.main)
    rig.file.write_text('firewall.backend = "ufw"')
    assert rig.target.place(ask).paths == (rig.main,)
    rig.target = attrs.evolve(rig.target, firewall=Target(None))
    with pytest.raises(SetupError, match=r"^nothing to undo: .*filter-ban\.toml does not name pf$"):
        rig.target.place(ask)


def test_secret_modes(rig: Rig) -> None:
    """A configuration that not everybody may read stays so."""
    plan = rig.plan("")
    rig.file.chmod(0o640)
    write(plan.changes, time.time(), BACKUP, plan.accept)
    assert rig.file.stat().st_mode & 0o7777 == 0o640


def test_servers(tmp_path: Path) -> None:
    """A mail server's set-up leaves our configuration alone."""
    assert make_target("postfix", tmp_path / "filter-ban.toml") is postfix


@pytest.mark.parametrize(
    ("platform", "command"),
    [
        ("linux", "systemctl restart filter-ban"),
        ("openbsd7", "rcctl restart filter_ban"),
        ("freebsd14", "service filter_ban restart"),
        ("netbsd10", "service filter_ban restart"),
    ],
)
def test_restart(monkeypatch: pytest.MonkeyPatch, platform: str, command: str) -> None:
    """Each system has its own way to restart us."""
    monkeypatch.setattr(sys, "platform", platform)
    assert restart_command() == command
