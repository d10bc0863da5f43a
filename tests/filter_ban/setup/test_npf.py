# SPDX-License-Identifier: ISC
"""npf.conf with our table and group."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from filter_ban.config import Config, parse_config
from filter_ban.setup import npf
from filter_ban.setup.files import SetupError
from filter_ban.setup.programs import MissingProgramError, ProgramError
from tests.filter_ban.setup.firewalls import NETBSD_NPF, NpfHost

BEGIN = "# filter-ban: begin (written by filter-ban setup npf)\n"
END = "# filter-ban: end\n"
BLOCK = f'{BEGIN}table <filter-ban> type lpm\ngroup "filter-ban" in {{\n\tblock in final from <filter-ban>\n}}\n{END}'


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NpfHost:
    """Return a machine with an npf.conf."""
    return NpfHost(tmp_path, monkeypatch)


def planned(host: NpfHost, config: Config | None = None) -> str:
    """Return what npf.conf will be."""
    (change,) = npf.plan(config or Config(), host).changes
    assert change.path == host.main
    return (change.new or b"").decode()


def test_place(host: NpfHost) -> None:
    """Table and group stand before the first group, so that no group decides about a packet earlier."""
    at = NETBSD_NPF.index('group "external"')
    new = planned(host)
    assert new == NETBSD_NPF[:at] + BLOCK + NETBSD_NPF[at:]
    assert host.fault(new) == host.fault(NETBSD_NPF) == ""


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        ('action = "reject"', "block return in final from <filter-ban>"),
        (
            "ports = [25, 465]",
            "block in final proto tcp from <filter-ban> to any port { 25, 465 }",
        ),
        ('table = "bots"', "block in final from <bots>"),
    ],
)
def test_rule(host: NpfHost, lines: str, rule: str) -> None:
    """The rule follows the configuration, and follows it again after a change."""
    config = parse_config(f"[firewall]\n{lines}\n")
    new = planned(host, config)
    assert f"\n\t{rule}\n}}\n{END}" in new
    host.main.write_text(planned(host))
    assert planned(host, config) == new


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "there is no such file"),
        ("alg icmp\n", "has no group"),
        (f"{BEGIN}group default {{\n}}\n", "by hand"),
    ],
)
def test_impossible(host: NpfHost, text: str | None, why: str) -> None:
    """Where npf could not work either, or a mark is missing, nothing is planned."""
    host.main.unlink()
    if text is not None:
        host.main.write_text(text)
    with pytest.raises(SetupError, match=why):
        npf.plan(Config(), host)


def test_own_rule(host: NpfHost) -> None:
    """What the administrator wrote is left alone; a comment is nothing."""
    host.main.write_text("# <filter-ban>\ngroup default {\n\tblock in from <filter-ban> # mine\n}\n")
    plan = npf.plan(Config(), host)
    assert plan.changes == ()
    assert "is left as it is" in plan.notes[0]
    host.main.write_text("# <filter-ban>\ngroup default {\n}\n")
    assert planned(host) == f"# <filter-ban>\n{BLOCK}group default {{\n}}\n"


def test_off(host: NpfHost) -> None:
    """Where npf is off that is told; where it would not tell us, nothing is."""
    assert npf.plan(Config(), host).notes == ()
    host.off = True
    assert "npf is off" in npf.plan(Config(), host).notes[0]

    def denied(argv: Sequence[str]) -> str:
        raise ProgramError("npfctl (status 1): npfctl: cannot open '/dev/npf': Permission denied")

    assert npf.plan(Config(), denied).notes == ()


def test_accept(host: NpfHost) -> None:
    """The file is shown to npf."""
    accept = npf.plan(Config(), host).accept
    accept()
    host.main.write_text("group default {\n\tblock from <nobody>\n}\n")
    with pytest.raises(ProgramError, match="is not defined"):
        accept()


def test_by_hand(host: NpfHost) -> None:
    """For another machine the lines are told, with their file."""
    shown = npf.by_hand(Config())
    assert shown == f"# in {host.main}, before the first group\n{BLOCK.removeprefix(BEGIN).removesuffix(END)}"


def test_not_installed(monkeypatch: pytest.MonkeyPatch, host: NpfHost) -> None:
    """Without npfctl there is no plan."""
    monkeypatch.setattr(host, "ask", lambda *_: None)
    with pytest.raises(MissingProgramError):
        npf.plan(Config(), host)
