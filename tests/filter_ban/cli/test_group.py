# SPDX-License-Identifier: ISC
"""The command line as a whole, in processes of its own where that matters."""

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from click.testing import CliRunner

from filter_ban import __version__
from filter_ban.cli import group
from filter_ban.cli.group import COMMANDS, SECTIONS

ROOT = Path(__file__).parents[3]
SCREEN_LINES = 24
LIST_LINES = 45
HEAVY = {
    *(
        "aiohttp",
        "aiosmtpd",
        "asyncio",
        "concurrent.futures",
        "http.client",
        "multiprocessing",
        "rich",
        "sqlite3",
    ),
    *("ssl", "subprocess", "urllib.request", "click.shell_completion"),
    *(
        "filter_ban.daemon",
        "filter_ban.engine",
        "filter_ban.firewall",
        "filter_ban.ledger",
        "filter_ban.cli.offline",
    ),
}


def start(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "filter_ban", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(command: str) -> None:
    """The help text of a command fits on a small screen, the list of all on a window; that of a command ends with an example that starts as one types it."""
    result = CliRunner().invoke(group.filter_ban, [*command.split(), "--help"], env={"COLUMNS": "80"})
    told = result.stdout.splitlines()
    assert result.exit_code == 0
    assert len(told) <= (SCREEN_LINES if command else LIST_LINES)
    assert max(map(len, told)) <= 80
    assert "..." not in result.stdout.replace("CLIENT...", "").replace("[ARGS]...", "")
    if command:
        assert told[-2] == "Example:"
        assert f"filter-ban {command}" in told[-1]


def test_files_and_commands() -> None:
    """Each command has a file of its name."""
    files = {path.stem.removesuffix("_") for path in (ROOT / "filter_ban" / "cli").iterdir()}
    assert files >= set(COMMANDS)
    context = click.Context(group.filter_ban)
    assert [group.filter_ban.get_command(context, name).name for name in COMMANDS] == [*COMMANDS]  # type: ignore[union-attr]  # each exists


def test_sections() -> None:
    """The list of commands has its sections, each command once, and none is cut off."""
    shown = CliRunner().invoke(group.filter_ban, ["--help"], env={"COLUMNS": "80"}).stdout
    places = [shown.index(f"\n{title}:\n") for title in SECTIONS]
    assert places == sorted(places)
    assert len(COMMANDS) == len(set(COMMANDS))
    assert all(shown.count(f"\n  {name} ") == 1 for name in COMMANDS)


def test_other_names() -> None:
    """What commands are called elsewhere leads to ours."""
    for other, meant in group.MEANT.items():
        result = CliRunner().invoke(group.filter_ban, [other])
        assert (result.exit_code, meant in COMMANDS) == (2, True)
        assert f"Did you mean '{meant}'?" in result.stderr


def test_unknown_command() -> None:
    """A command that there is not is a mistake in usage."""
    result = CliRunner().invoke(group.filter_ban, ["group"])
    assert result.exit_code == 2
    assert "No such command 'group'" in result.stderr


def test_version() -> None:
    """The version is told in a line."""
    result = start("--version")
    assert (result.returncode, result.stdout) == (0, f"filter-ban {__version__}\n")


def test_config_before_or_after(folder: Path) -> None:
    """The configuration may be named before the command or after it; the last one holds."""
    (folder / "good.toml").write_text(f'daemon.socket_dir = "{folder}"\nledger.path = "{folder}/l"')
    bad, good = str(folder / "bad.toml"), str(folder / "good.toml")
    runner = CliRunner()
    assert runner.invoke(group.filter_ban, ["-c", bad, "list"]).exit_code == 78
    assert runner.invoke(group.filter_ban, ["list", "-c", bad]).exit_code == 78
    assert runner.invoke(group.filter_ban, ["-c", bad, "list", "--config", good]).exit_code == 69


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["check"], 0),
        (["show", "nobody"], 1),
        (["lift", "mail"], 1),
        (["nonsense"], 2),
        (["ban"], 2),
        (["status"], 69),
        (["lift", "192.0.2.7"], 69),
        (["check", "/nonexistent.toml"], 78),
    ],
)
def test_exit_status(config_file: Path, ledger: Path, arguments: list[str], status: int) -> None:
    """The status of the process says how it ended."""
    assert start("-c", str(config_file), *arguments).returncode == status


@pytest.mark.parametrize("command", [["status"], ["list"], ["show", "192.0.2.7"]], ids=lambda words: words[0])
def test_reading_loads_little(config_file: Path, daemon: Any, command: list[str]) -> None:
    """A read command that a daemon answers starts quickly: it loads no asyncio, no SQLite, no rich and no engine."""
    daemon.answers |= {"list": [], "status": [{"ledger": {"ok": True}}], "show": [{"strikes": 1}]}
    code = (
        "import atexit, sys; from filter_ban.cli import main;"
        "atexit.register(lambda: print(*sorted(sys.modules))); main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "-c", str(config_file), *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = set(result.stdout.split())
    assert f"filter_ban.cli.{command[0]}" in loaded
    others = {f"filter_ban.cli.{name}" for name in COMMANDS if name != command[0]}
    assert loaded.isdisjoint(HEAVY | others)


def test_any_character_set(config_file: Path, ledger: Path) -> None:
    """A terminal that knows no ellipsis is shown an escape."""
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(ROOT)}
    result = start("-c", str(config_file), "show", "192.0.2.7", env=environment)
    assert result.returncode == 0
    assert "al\\u2026@example.org" in result.stdout


def test_reader_that_leaves(config_file: Path, ledger: Path) -> None:
    """Output into a pipe that nobody reads ends the command without a traceback."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    result = subprocess.run(
        [sys.executable, "-m", "filter_ban", "-c", str(config_file), "list"],
        cwd=ROOT,
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    os.close(write_end)
    assert "Traceback" not in result.stderr


STARTED = {
    "opensmtpd": (["opensmtpd"], ["-m", "filter_ban", "opensmtpd"]),
    "opensmtpd with configuration": (
        ["-c", "/srv/x.toml", "opensmtpd"],
        ["-m", "filter_ban", "opensmtpd", "--config", "/srv/x.toml"],
    ),
    "serve": (["serve"], ["-m", "filter_ban", "serve"]),
    "serve with configuration": (
        ["serve", "--config", "/srv/x.toml"],
        ["-m", "filter_ban", "serve", "--config", "/srv/x.toml"],
    ),
}


@pytest.mark.parametrize(("arguments", "expected"), STARTED.values(), ids=STARTED.keys())
def test_long_running(monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: list[str]) -> None:
    """What runs for months runs in a process that has not loaded the command line."""
    started = []
    monkeypatch.setattr(os, "execv", lambda path, argv: started.append((path, argv)))
    CliRunner().invoke(group.filter_ban, arguments)
    assert started == [(sys.executable, [sys.executable, *expected])]


@pytest.mark.parametrize(("arguments", "stay"), [(["demo"], False), (["demo", "--stay"], True)])
def test_demo(monkeypatch: pytest.MonkeyPatch, arguments: list[str], stay: bool) -> None:
    """The demonstration says itself how it ended."""
    asked = []

    def run(stay: bool) -> int:
        asked.append(stay)
        return 3

    fake = ModuleType("filter_ban.demo.main")
    fake.__dict__["run"] = run
    monkeypatch.setitem(sys.modules, "filter_ban.demo", ModuleType("filter_ban.demo"))
    monkeypatch.setitem(sys.modules, "filter_ban.demo.main", fake)
    assert CliRunner().invoke(group.filter_ban, arguments).exit_code == 3
    assert asked == [stay]
