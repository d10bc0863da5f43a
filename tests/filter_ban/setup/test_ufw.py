# SPDX-License-Identifier: ISC
"""ufw's files made to look into our sets."""

import re
import subprocess
from pathlib import Path

import attrs
import pytest

from filter_ban.config import Config
from filter_ban.config.schema import Firewall
from filter_ban.setup import ufw
from filter_ban.setup.blocks import block_text
from filter_ban.setup.files import SetupError
from filter_ban.setup.plan import Plan
from filter_ban.setup.programs import MissingProgramError, ProgramError
from tests.filter_ban.setup.xtables_host import FakeHost

CONFIG = Config(firewall=Firewall(ports=(25, 587)))
BEFORE = """\
# Don't delete these required lines, otherwise there will be errors
*filter
:ufw-before-input - [0:0]
:ufw-not-local - [0:0]
# End required lines


# allow all on loopback
-A ufw-before-input -i lo -j ACCEPT
COMMIT
"""
INIT = """\
#!/bin/sh
#
# after.init: if executable, called by ufw-init
set -e

case "$1" in
start)
    ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return ufw's folder, furnished as Debian's."""
    monkeypatch.setattr(ufw, "FOLDER", tmp_path)
    monkeypatch.setattr(ufw, "DEFAULTS", tmp_path / "defaults")
    texts = {
        "before.rules": BEFORE,
        "before6.rules": BEFORE.replace("ufw-", "ufw6-"),
        "after.init": INIT,
        "ufw.conf": "ENABLED=yes\n",
        "defaults": "IPV6=yes\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o640)
    return tmp_path


def new_text(plan: Plan, name: str) -> str:
    """Return what is planned for a file."""
    (change,) = (change for change in plan.changes if change.path.name == name)
    assert change.new is not None
    return change.new.decode()


def carry_out(plan: Plan) -> None:
    """Write what is planned."""
    for change in plan.changes:
        assert change.new is not None
        change.path.write_bytes(change.new)
        if change.mode is not None:
            change.path.chmod(change.mode)


def test_pristine(folder: Path) -> None:
    """Our lines stand ahead of all rules and of ``set -e``; the script becomes executable; nothing else changes."""
    plan = ufw.plan(CONFIG, FakeHost())
    block = block_text(ufw.TITLE, ufw.before_lines(CONFIG, 4))
    end = "# End required lines\n"
    assert new_text(plan, "before.rules") == BEFORE.replace(end, end + block)
    assert "-A ufw6-before-input -j filter-ban-match\n" in new_text(plan, "before6.rules")
    init = new_text(plan, "after.init")
    assert init == INIT.replace("set -e\n", block_text(ufw.TITLE, ufw.init_lines(CONFIG)) + "set -e\n")
    assert [change.mode for change in plan.changes] == [None, None, 0o740]
    assert [note for note in plan.notes if "becomes executable" in note] == list(plan.notes)


def test_twice(folder: Path) -> None:
    """What is set up already is not changed, and other ports change the script alone."""
    carry_out(ufw.plan(CONFIG, FakeHost()))
    plan = ufw.plan(CONFIG, FakeHost())
    assert (plan.changes, plan.notes) == ((), ())
    other = ufw.plan(Config(), FakeHost())
    assert [change.path.name for change in other.changes] == ["after.init"]


@pytest.mark.parametrize(
    ("before", "place"),
    [
        ("*filter\nCOMMIT\n", "*filter\n"),
        ("*filter\n-A ufw-before-input -j ACCEPT\nCOMMIT\n", "*filter\n"),
        ("*nat\n:A - [0:0]\nCOMMIT\n*filter\n:B - [0:0]\n\n-A B -j DROP\nCOMMIT\n", ":B - [0:0]\n"),
        ("*filter\n:A - [0:0]\n# text\n:B - [0:0]\n-A A -j B\n:C - [0:0]\nCOMMIT\n", ":B - [0:0]\n"),
        (
            "*filter\n:A - [0:0]\n-A A -j DROP\n:ufw-before-input - [0:0]\n:C - [0:0]\n[0:0] -A A -j C\n:D - [0:0]\nCOMMIT\n",
            ":C - [0:0]\n",
        ),
        (
            "*filter\n:A - [0:0]\nCOMMIT\n*filter\n:ufw-before-input - [0:0]\n-F ufw-before-input\nCOMMIT\n",
            "-F ufw-before-input\n",
        ),
    ],
)
def test_place_in_rules(folder: Path, before: str, place: str) -> None:
    """Our lines come behind the declarations at the top of the table filter, ahead of its first rule; never ahead of what empties their chain."""
    (folder / "before.rules").write_text(before)
    head, ours, _ = new_text(ufw.plan(CONFIG, FakeHost()), "before.rules").partition("# filter-ban: begin")
    assert head.endswith(place)
    assert ours


def test_bytes_of_others(folder: Path) -> None:
    """A comment that is no UTF-8 stays as it is."""
    text = BEFORE.encode() + b"# gr\xfc\xdfe\n"
    (folder / "before.rules").write_bytes(text)
    (change, *_) = ufw.plan(CONFIG, FakeHost()).changes
    assert change.new is not None
    assert change.new.endswith(b"# gr\xfc\xdfe\n")


@pytest.mark.parametrize("text", ["#!/bin/sh", "#! /usr/bin/env bash\n", "#!/bin/dash\n\nexit 0\n"])
def test_place_in_script(folder: Path, text: str) -> None:
    """Our part comes behind the first line, however short the script is."""
    (folder / "after.init").write_text(text)
    init = new_text(ufw.plan(CONFIG, FakeHost()), "after.init")
    first, second, *_ = init.splitlines()
    assert (first, second[:19]) == (text.splitlines()[0], "# filter-ban: begin")
    assert init.endswith(("# filter-ban: end\n", "\nexit 0\n"))


def test_script_is_made(folder: Path) -> None:
    """Where there is no after.init, one is made for root alone."""
    (folder / "after.init").unlink()
    change = ufw.plan(CONFIG, FakeHost()).changes[-1]
    assert (change.old, change.mode) == (None, 0o740)
    assert (change.new or b"").startswith(b"#!/bin/sh\n# filter-ban: begin")


@pytest.mark.parametrize("action", ["drop", "reject"])
@pytest.mark.parametrize("word", ["start", "stop", "status", "flush-all", ""])
def test_script_never_fails(tmp_path: Path, action: str, word: str) -> None:
    """Our part of the script ends well even under ``set -e`` and without any of its programs."""
    config = attrs.evolve(CONFIG, firewall=attrs.evolve(CONFIG.firewall, action=action))
    script = tmp_path / "script"
    script.write_text(f"set -e\n{ufw.init_lines(config)}echo on\n")
    done = subprocess.run(
        ["/bin/sh", script, word],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "on\n")


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("before.rules", None, "is missing"),
        ("before.rules", BEFORE.replace("ufw-not-local", "filter-ban"), "has a chain filter-ban of its own"),
        ("before6.rules", "# nothing\n", r"has no table \*filter"),
        ("after.init", "#!/usr/bin/perl\n", "is no shell script"),
        ("after.init", "#!/bin/sh\n# filter-ban: begin (written by filter-ban setup ufw)\n", "is missing"),
    ],
)
def test_refused(folder: Path, file: str, text: str | None, reason: str) -> None:
    """What cannot be changed with certainty is not."""
    (folder / file).unlink()
    if text is not None:
        (folder / file).write_text(text)
    with pytest.raises(SetupError, match=reason):
        ufw.plan(CONFIG, FakeHost())


def test_long_names(folder: Path) -> None:
    """A name that leaves no room for that of a chain is refused."""
    config = Config(firewall=Firewall(table="a" * (ufw.MAX_TABLE + 1)))
    with pytest.raises(SetupError, match="at most 22 characters"):
        ufw.plan(config, FakeHost())


@pytest.mark.parametrize("program", ["ufw", "ipset"])
def test_not_installed(folder: Path, program: str) -> None:
    """Without ufw or ipset nothing is planned; the lines can be had."""
    with pytest.raises(MissingProgramError):
        ufw.plan(CONFIG, FakeHost(missing={program}))
    text = ufw.by_hand(CONFIG)
    assert re.findall(r"^# in \S*/(\S+),", text, re.MULTILINE) == [
        "before.rules",
        "before6.rules",
        "after.init",
    ]


def test_notes(folder: Path) -> None:
    """What keeps bans from acting is told."""
    (folder / "ufw.conf").write_text("ENABLED=no\n")
    (folder / "defaults").write_text('# IPV6=yes\nIPV6="no"\n')
    notes = "\n".join(ufw.plan(CONFIG, FakeHost()).notes)
    assert "ufw is not enabled" in notes
    assert "IPV6=no" in notes


# --- acceptance


def test_accepted(folder: Path) -> None:
    """Both files are tested with ufw's own chains declared, and our rules are tried in both families."""
    host = FakeHost()
    plan = ufw.plan(CONFIG, host)
    carry_out(plan)
    plan.accept()
    assert [program for program, _ in host.loaded] == ["iptables-restore", "ip6tables-restore"]
    assert host.loaded[0][1] == new_text(plan, "before.rules").replace(
        "*filter\n", "*filter\n:ufw-logging-deny - [0:0]\n:ufw-logging-allow - [0:0]\n"
    )
    assert ("sh", "-n", str(folder / "after.init")) in host.asked
    (script,) = host.tried
    assert script.endswith("iptables-save\nip6tables-save\n")


@pytest.mark.parametrize(
    ("host", "error"),
    [
        (FakeHost(failing={"iptables-restore"}), ProgramError),
        (FakeHost(failing={"sh"}), ProgramError),
        (FakeHost(failing={"unshare --net sh"}), SetupError),
        (FakeHost(saved="*filter\nCOMMIT\n"), SetupError),
    ],
)
def test_not_accepted(folder: Path, host: FakeHost, error: type[Exception]) -> None:
    """What ufw or the kernel would not take is found before it is left there."""
    plan = ufw.plan(CONFIG, host)
    carry_out(plan)
    with pytest.raises(error):
        plan.accept()


def test_no_network_can_be_made(folder: Path) -> None:
    """Where namespaces are forbidden, nothing is tried."""
    host = FakeHost(failing={"unshare"})
    plan = ufw.plan(CONFIG, host)
    carry_out(plan)
    plan.accept()
    assert host.tried == []


@pytest.mark.parametrize("setting", ["yes", "no"])
def test_no_ipv6(folder: Path, setting: str) -> None:
    """Where ufw or the system has no IPv6, that is not tried."""
    (folder / "defaults").write_text(f"IPV6={setting}\n")
    host = FakeHost(failing={"ip6tables"} if setting == "yes" else set())
    plan = ufw.plan(CONFIG, host)
    carry_out(plan)
    plan.accept()
    assert [program for program, _ in host.loaded] == ["iptables-restore"]
    assert host.tried[0].endswith("\niptables-save\n")


# --- the manual


def test_page() -> None:
    """The manual shows the lines that are written."""
    page = (Path(__file__).parents[3] / "docs" / "firewall" / "ufw.md").read_text()
    assert f"```\n{ufw.before_lines(Config(), 4)}```\n" in page
