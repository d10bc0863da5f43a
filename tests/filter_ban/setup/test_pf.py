# SPDX-License-Identifier: ISC
"""pf.conf with our table and rule."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from filter_ban.config import Config, parse_config
from filter_ban.setup import pf
from filter_ban.setup.files import SetupError
from filter_ban.setup.programs import MissingProgramError, ProgramError
from tests.filter_ban.setup.firewalls import FREEBSD_PF, OPENBSD_PF, PfHost

BEGIN = "# filter-ban: begin (written by filter-ban setup pf)\n"
END = "# filter-ban: end\n"
BLOCK = f"{BEGIN}table <filter-ban> persist counters\nblock drop in quick from <filter-ban>\n{END}"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PfHost:
    """Return a machine with OpenBSD's pf.conf."""
    return PfHost(tmp_path, monkeypatch)


def configured(lines: str) -> Config:
    """Return a configuration of pf with *lines* under [firewall]."""
    return parse_config(f'[firewall]\nbackend = "pf"\n{lines}')


def planned(host: PfHost, config: Config | None = None) -> str:
    """Return what pf.conf will be."""
    change = pf.plan(config or Config(), host).changes[-1]
    assert change.path == host.main
    return (change.new or b"").decode()


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (OPENBSD_PF, "block return\t"),
        (FREEBSD_PF, "antispoof quick"),
        ('anchor "blacklistd/*" in\npass\n', "anchor"),
        ("set skip on lo\n  match in all scrub (no-df)\npass\n", "  match"),
        ('x = "a \\\npass"\npass in\n', "pass in"),
        ("#pass\npass = 1\nblock_ports = 2\n", ""),
        ("", ""),
    ],
)
def test_place(host: PfHost, text: str, first: str) -> None:
    """The block stands right before the first rule that decides about packets, whatever comes before."""
    host.main.write_text(text)
    at = text.index(f"\n{first}") + 1 if f"\n{first}" in text and first else 0 if first else len(text)
    new = planned(host)
    assert new == text[:at] + BLOCK + text[at:]
    assert host.fault(new) == host.fault(text) == ""


def test_no_file(host: PfHost) -> None:
    """FreeBSD comes without a pf.conf: the new one is for root alone."""
    host.main.unlink()
    (change,) = pf.plan(Config(), host).changes
    assert (change.old, change.new, change.mode) == (None, BLOCK.encode(), 0o600)


def test_other_file(host: PfHost, tmp_path: Path) -> None:
    """FreeBSD can have its rules in another file."""
    host.sysrc = f"{tmp_path}/own.conf\n"
    where = pf.place(host)
    assert where.paths[-1] == tmp_path / "own.conf"
    assert where.next_step == f"pfctl -f {tmp_path}/own.conf"


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        ("", "block drop in quick from <filter-ban>"),
        ('action = "reject"', "block return in quick from <filter-ban>"),
        (
            "ports = [25, 465]",
            "block drop in quick proto tcp from <filter-ban> to any port { 25 465 }",
        ),
        ('table = "bots"', "block drop in quick from <bots>"),
    ],
)
def test_rule(host: PfHost, lines: str, rule: str) -> None:
    """The rule follows the configuration, and follows it again after a change."""
    assert f"persist counters\n{rule}\n{END}" in planned(host, configured(lines))
    host.main.write_text(planned(host))
    assert planned(host, configured(lines)).count("block drop in") <= 1 if lines else True


def test_anchor(host: PfHost) -> None:
    """With an anchor the rules are in a file of their own, which pf.conf loads."""
    rules, main = pf.plan(configured('anchor = "mail/bots"'), host).changes
    assert (rules.path, rules.mode) == (host.rules, 0o600)
    assert rules.new == b"table <filter-ban> persist counters\nblock drop in quick from <filter-ban>\n"
    block = f'{BEGIN}anchor "mail/bots"\nload anchor "mail/bots" from "{host.rules}"\n{END}'
    assert block.encode() + b"block return\t" in (main.new or b"")


@pytest.mark.parametrize(
    ("own", "lines"),
    [
        ("block in quick proto tcp from <filter-ban> to any port { 25 465 587 }\n", ""),
        ('anchor "bots" in on egress\n', 'anchor = "bots"'),
    ],
)
def test_own_rule(host: PfHost, own: str, lines: str) -> None:
    """A rule that the administrator wrote is left alone."""
    host.main.write_text(own)
    plan = pf.plan(configured(lines), host)
    assert plan.changes == ()
    assert "is left as it is" in plan.notes[0]


def test_moved(host: PfHost) -> None:
    """A block that was moved stays there."""
    host.main.write_text(f"pass in on lo\n{BLOCK}pass\n")
    assert pf.plan(Config(), host).changes == ()


def test_a_missing_mark(host: PfHost) -> None:
    """Nothing is planned where a mark was taken out."""
    host.main.write_text(BLOCK.removesuffix(END))
    with pytest.raises(SetupError, match="mend that by hand"):
        pf.plan(Config(), host)


def test_bytes(host: PfHost) -> None:
    """Bytes that are no text stay."""
    host.main.write_bytes(b"# \xff\xfe\r\npass\n")
    (change,) = pf.plan(Config(), host).changes
    assert change.new == b"# \xff\xfe\r\n" + BLOCK.encode() + b"pass\n"


def test_off(host: PfHost) -> None:
    """Where pf is off that is told; where it would not tell us, nothing is."""
    assert pf.plan(Config(), host).notes == ()
    host.off = True
    assert "pf is off" in pf.plan(Config(), host).notes[0]

    def denied(argv: Sequence[str]) -> str:
        if argv[1] == "-s":
            raise ProgramError("pfctl (status 1): pfctl: /dev/pf: Permission denied")
        return host(argv)

    assert pf.plan(Config(), denied).notes == ()


def test_accept(host: PfHost) -> None:
    """Each file that is there is shown to pf."""
    accept = pf.plan(configured('anchor = "bots"'), host).accept
    accept()
    host.rules.write_text("block in from <nobody>\n")
    with pytest.raises(ProgramError, match=f"{host.rules}: unknown table"):
        accept()


def test_by_hand(host: PfHost) -> None:
    """For another machine the lines are told, with their files."""
    assert pf.by_hand(Config()) == (
        f"# in {host.main}, before the first rule that blocks or passes\n"
        "table <filter-ban> persist counters\nblock drop in quick from <filter-ban>\n"
    )
    assert f"\n# in {host.rules}\ntable" in pf.by_hand(configured('anchor = "bots"'))


def test_not_installed(monkeypatch: pytest.MonkeyPatch, host: PfHost) -> None:
    """Without pfctl there is no plan."""
    monkeypatch.setattr(host, "ask", lambda *_: None)
    with pytest.raises(MissingProgramError):
        pf.plan(Config(), host)
