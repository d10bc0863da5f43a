# SPDX-License-Identifier: ISC
"""The script that FreeBSD runs when it has loaded ipfw's rules."""

import subprocess
from pathlib import Path

import pytest

from filter_ban.config import Config, parse_config
from filter_ban.setup import ipfw
from filter_ban.setup.programs import MissingProgramError, ProgramError
from tests.filter_ban.setup.firewalls import IpfwHost

# Prints each command to a log; a rule that it lists stands in ./rules.
FAKE = """#!/bin/sh
echo "$@" >> log
[ "$1" != list ] || cat rules
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IpfwHost:
    """Return a machine without files of ipfw."""
    return IpfwHost(tmp_path, monkeypatch)


def run(folder: Path, lines: str, argument: str, rules: str = "65535 deny ip from any to any\n") -> list[str]:
    """Run the script with an ipfw of *rules* and return the commands that it gave."""
    tool = folder / "ipfw"
    tool.write_text(FAKE)
    tool.chmod(0o755)
    (folder / "rules").write_text(rules)
    (folder / "log").write_text("")
    script = ipfw.script_text(parse_config(f"[firewall]\n{lines}\n").firewall)
    environment = {"PATH": f"{folder}:/usr/bin:/bin"}
    argv = ["sh", "-eu", "-c", script, "script", argument]
    subprocess.run(argv, cwd=folder, env=environment, check=True, timeout=10)
    return (folder / "log").read_text().splitlines()


@pytest.mark.parametrize(
    ("lines", "rules"),
    [
        ("", ["deny ip from table(filter-ban) to any in"]),
        ("ports = [25, 465]", ["deny tcp from table(filter-ban) to any 25,465 in"]),
        (
            'action = "reject"',
            [
                "reset ip from table(filter-ban) to any in ip4",
                "reset6 ip from table(filter-ban) to any in ip6",
            ],
        ),
        (
            'action = "reject"\nports = [25]',
            [
                "reset tcp from table(filter-ban) to any 25 in ip4",
                "reset6 tcp from table(filter-ban) to any 25 in ip6",
            ],
        ),
        ('table = "bots"', ["deny ip from table(bots) to any in"]),
    ],
)
def test_script(tmp_path: Path, lines: str, rules: list[str]) -> None:
    """The script makes the table, and the rule at a low number."""
    table = "bots" if "bots" in lines else "filter-ban"
    first = [f"-q table {table} create type addr missing", "list"]
    expected = [*first, *(f"-q add 50 {rule}" for rule in rules)]
    assert run(tmp_path, lines, "quietstart") == expected
    assert run(tmp_path, lines, "start") == expected


def test_a_rule_is_there(tmp_path: Path) -> None:
    """A rule that uses the table, ours or another, is not added again."""
    there = "02000 deny tcp from table(filter-ban) to any 25\n"
    assert run(tmp_path, "", "quietstart", there)[-1] == "list"


def test_stop(tmp_path: Path) -> None:
    """At a stop nothing is done."""
    assert run(tmp_path, "", "quietstop") == run(tmp_path, "", "") == []


def test_plan(host: IpfwHost) -> None:
    """Both files are made: the script executable, and the line that adds it to those of others."""
    plan = ipfw.plan(Config(), host)
    script, rc_file = plan.changes
    assert (script.path, script.mode) == (host.script, 0o755)
    assert (script.new or b"").startswith(b"#!/bin/sh\n")
    assert (rc_file.path, rc_file.mode) == (host.rc_file, None)
    assert rc_file.new == (
        b"# filter-ban: begin (written by filter-ban setup ipfw)\n"
        b'firewall_coscripts="${firewall_coscripts} ' + bytes(host.script) + b'"\n# filter-ban: end\n'
    )
    assert plan.place.next_step == f"{host.script} quietstart"
    assert ipfw.place(host).next_step == "ipfw delete 50"


def test_a_file_of_others(host: IpfwHost) -> None:
    """What stands in rc.conf.d stays."""
    host.rc_file.parent.mkdir()
    host.rc_file.write_text('firewall_coscripts="/x"')
    change = ipfw.plan(Config(), host).changes[-1]
    assert (change.new or b"").startswith(b'firewall_coscripts="/x"\n# filter-ban: begin')


def test_another_rule(host: IpfwHost) -> None:
    """When the rule changes, it is told how the present one goes."""
    host.script.write_text("old\n")
    assert "ipfw delete 50" in ipfw.plan(Config(), host).notes[-1]


def test_off(host: IpfwHost) -> None:
    """Where ipfw is off that is told."""
    assert ipfw.plan(Config(), host).notes == ()
    host.off = True
    assert "ipfw is off" in ipfw.plan(Config(), host).notes[0]


def test_accept(host: IpfwHost) -> None:
    """The shell is asked about both files."""
    accept = ipfw.plan(Config(), host).accept
    accept()
    host.script.write_text('echo "\n')
    with pytest.raises(ProgramError, match="sh "):
        accept()


def test_by_hand(host: IpfwHost) -> None:
    """For another machine both files are told."""
    shown = ipfw.by_hand(Config())
    assert shown.startswith(f"# in {host.rc_file}\nfirewall_coscripts=")
    assert f"\n# in {host.script}, which must be executable (chmod 755)\n#!/bin/sh\n" in shown


def test_not_installed(monkeypatch: pytest.MonkeyPatch, host: IpfwHost) -> None:
    """Without ipfw there is no plan."""
    monkeypatch.setattr(host, "ask", lambda *_: None)
    with pytest.raises(MissingProgramError):
        ipfw.plan(Config(), host)
