# SPDX-License-Identifier: ISC
"""Each command ends with each of the codes that the manual gives it, and with no other."""

import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from filter_ban.cli import group
from filter_ban.cli.failures import Exit
from filter_ban.cli.group import COMMANDS
from filter_ban.doctor.examination import Examination
from filter_ban.doctor.finding import Finding, Severity
from filter_ban.enforcer.listeners import open_lock

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = (ROOT / "docs" / "exit-codes.md").read_text()
HEAD: Final = (Exit.DONE, Exit.REFUSED, Exit.UNAVAILABLE, Exit.CONFIGURATION)
ROW: Final = re.compile(r"^\| `([a-z]+)` \| (.+) \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
TABLE: Final = {
    command: {code for code, meaning in zip(HEAD, meanings, strict=True) if meaning != "\N{EN DASH}"}
    for command, *meanings in ROW.findall(PAGE)
}
# what each command is called with where nothing else is said
ARGUMENTS: Final = {
    "show": ["192.0.2.7"],
    "ban": ["192.0.2.7"],
    "lift": ["192.0.2.7"],
    "allow": ["192.0.2.7"],
    "import": ["{folder}/clients", "--yes"],
    "replay": ["{folder}/maillog"],
    "setup": ["pf"],
    "doctor": ["opensmtpd", "--smtpd-conf", "{folder}/smtpd.conf"],
    "completion": ["bash"],
    "watch": ["--once"],
}
LONG_RUNNING: Final = ("serve", "opensmtpd", "demo")
REFUSAL: Final = [{"error": "no"}]
DONE: Final = {
    "status": [{"ledger": {"ok": True}}],
    "list": [{"bans": []}],
    "show": [{"client": "192.0.2.7", "strikes": 3}],
    "ban": [{"results": [{"client": "192.0.2.7", "outcome": "banned", "end": None, "reference": "X"}]}],
    "lift": [{"results": [{"client": "192.0.2.7", "outcome": "lifted", "bans": ["192.0.2.7"]}]}],
    "allow": [{"results": [{"client": "192.0.2.7", "outcome": "allowed", "until": None}]}],
    "resync": [{"backends": [{"backend": "nftables", "ok": True}]}],
    "watch": [{"now": 0, "status": {}}],
    "reload": [{"file": "x", "changed": {}, "problem": ""}],
}


def code_cases(code: Exit, *without: str) -> list[str]:
    """Return the commands that end with *code*, but for those with a test of their own."""
    return [name for name, codes in TABLE.items() if code in codes and name not in (*LONG_RUNNING, *without)]


@pytest.fixture
def call(run: Any, folder: Path) -> Callable[..., int]:
    """Return a way to run a command, with arguments that it takes, and to have its exit code."""
    (folder / "clients").write_text("192.0.2.7\n")
    (folder / "maillog").write_text("")
    (folder / "smtpd.conf").write_text('filter "ban" proc-exec "filter-ban opensmtpd"\n')

    def exit_code(command: str, *arguments: str) -> int:
        given = arguments or [word.replace("{folder}", str(folder)) for word in ARGUMENTS.get(command, ())]
        return int(run(command, *given).exit_code)

    return exit_code


def test_page() -> None:
    """Every command has its row, and every code of the code is on the page."""
    assert sorted(TABLE) == sorted(COMMANDS)
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)] == sorted(Exit)


@pytest.mark.parametrize("command", COMMANDS)
def test_usage(command: str) -> None:
    """An option that there is not is a mistake in usage, and help is none."""
    runner = CliRunner()
    assert runner.invoke(group.filter_ban, [command, "--no-such-option"]).exit_code == Exit.USAGE
    assert runner.invoke(group.filter_ban, [command, "--help"]).exit_code == Exit.DONE


@pytest.mark.parametrize("command", code_cases(Exit.DONE))
def test_done(command: str, call: Callable[..., int], daemon: Any, ledger: Path) -> None:
    """With a daemon that does as it is asked, all is done."""
    daemon.answers.update(DONE)
    assert call(command) == Exit.DONE


@pytest.mark.parametrize("command", code_cases(Exit.REFUSED, "setup", "doctor", "replay", "export", "report"))
def test_refused(command: str, call: Callable[..., int], daemon: Any) -> None:
    """What a daemon refuses is not done."""
    daemon.answers |= dict.fromkeys(DONE, REFUSAL)
    assert call(command) == Exit.REFUSED


def test_refused_without_daemon(
    call: Callable[..., int], folder: Path, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that cannot be read or written, and findings, are the same."""
    assert call("report", "--html", f"{folder}/nonexistent/file") == Exit.REFUSED
    assert call("export", "-o", f"{folder}/nonexistent/file") == Exit.REFUSED
    assert call("import", f"{folder}/nonexistent") == Exit.REFUSED
    assert call("setup", "postfix", "--undo") == Exit.REFUSED
    finding = Finding("x", Severity.ADVICE, "x", "x", "x")
    monkeypatch.setattr(Examination, "examine", lambda *_: [finding])
    assert call("doctor") == Exit.REFUSED

    def unreadable(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "maillog")

    monkeypatch.setattr("filter_ban.replay.traffic.Traffic.signals", unreadable)
    assert call("replay") == Exit.REFUSED


@pytest.mark.parametrize("command", code_cases(Exit.UNAVAILABLE))
def test_unavailable(command: str, call: Callable[..., int]) -> None:
    """Where there is neither daemon nor ledger, that is said."""
    assert call(command) == Exit.UNAVAILABLE


@pytest.mark.parametrize("command", code_cases(Exit.CONFIGURATION))
def test_configuration(command: str, call: Callable[..., int], config_file: Path) -> None:
    """A wrong configuration is no configuration."""
    config_file.write_text("mod = 1\n")
    assert call(command) == Exit.CONFIGURATION


def start(*arguments: str) -> int:
    """Run what runs for months in a process of its own, with nothing on standard input, and return its exit code."""
    return subprocess.run(
        [sys.executable, "-m", "filter_ban", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    ).returncode


def test_serve(folder: Path, config_file: Path) -> None:
    """A second daemon is not needed; what the machine or the configuration keeps from starting says so."""
    lock = open_lock(folder)
    assert start("serve", "--config", str(config_file)) == Exit.DONE
    fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)
    config_file.write_text('daemon.socket_dir = "/proc/nonexistent/filter-ban"\n')
    assert start("serve", "--config", str(config_file)) == Exit.UNAVAILABLE
    config_file.write_text("mod = 1\n")
    assert start("serve", "--config", str(config_file)) == Exit.CONFIGURATION


def test_opensmtpd(config_file: Path) -> None:
    """The relay ends well, whatever is wrong: smtpd would end with it."""
    config_file.write_text("[")
    assert start("opensmtpd", "--config", str(config_file)) == Exit.DONE


@pytest.mark.parametrize("status", sorted(TABLE["demo"]))
def test_demo(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """The demonstration says itself how it went."""
    monkeypatch.setattr("filter_ban.demo.main.run", lambda _: status)
    assert CliRunner().invoke(group.filter_ban, ["demo"]).exit_code == status
