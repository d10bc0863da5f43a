# SPDX-License-Identifier: ISC
"""Completion, by the shells themselves."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filter_ban.cli.completion import MAX_CLIENTS, SHELLS, banned_clients
from filter_ban.cli.group import COMMANDS
from filter_ban.exchange.formats import EXPORTED

WAIT_S = 60
# Each script gets the words of a line, the last of which is to be completed, and prints what it may become.
BASH = """
eval "$(filter-ban completion bash)"
complete -p filter-ban >/dev/null || exit 1
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_filter_ban_completion filter-ban
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
compdef() { completer=$1 }
compadd() { print -rl -- "${(@)completions}" }
_describe() { print -rl -- "${(@)completions_with_descriptions}" }
_path_files() { print -- files }
eval "$(filter-ban completion zsh)"
words=("$@") CURRENT=$#
$completer
"""
FISH = """
filter-ban completion fish | source
complete --do-complete "$argv"
"""
SCRIPTS = {"bash": ["bash", "--norc", "-c", BASH, "-"], "zsh": ["zsh", "-f", "-c", ZSH, "-"]}

Complete = Callable[..., list[str]]


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which ``filter-ban`` is ours."""
    program = folder / "bin" / "filter-ban"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m filter_ban "$@"\n')
    program.chmod(0o755)
    root = os.fspath(Path(__file__).parents[3])
    return {"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": root, "HOME": str(folder)}


@pytest.fixture(params=SHELLS)
def complete(request: pytest.FixtureRequest, environment: dict[str, str]) -> Complete:
    """Return a way to have a shell complete a line."""
    shell: str = request.param
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")

    def run(*words: str) -> list[str]:
        argv = (
            ["fish", "--no-config", "-c", FISH, " ".join(words)]
            if shell == "fish"
            else [*SCRIPTS[shell], *words]
        )
        done = subprocess.run(
            argv, env=environment, capture_output=True, text=True, check=True, timeout=WAIT_S
        )
        assert done.stderr == ""
        return [
            line.replace("\\:", "\0").partition(":")[0].partition("\t")[0].replace("\0", ":")
            for line in done.stdout.split("\n")
            if line
        ]

    return run


def test_commands_and_values(complete: Complete) -> None:
    """Commands, their options and the values of these are completed."""
    assert sorted(complete("filter-ban", "")) == sorted(COMMANDS)
    assert complete("filter-ban", "stat") == ["status"]
    assert complete("filter-ban", "list", "--js") == ["--json"]
    assert complete("filter-ban", "setup", "nft") == ["nftables"]
    assert sorted(complete("filter-ban", "export", "--format", "")) == sorted(EXPORTED)
    assert complete("filter-ban", "completion", "f") == ["fish"]


@pytest.mark.parametrize("command", ["lift", "show"])
def test_clients(complete: Complete, command: str, config_file: Path, daemon: Any) -> None:
    """Where a client is wanted, those that are banned now are offered."""
    bans = [{"client": client, "rule": "5 in 10m"} for client in ("192.0.2.7", "192.0.2.8", "203.0.113.9")]
    daemon.answers["list"] = [{"bans": bans[:2]}, {"bans": bans[2:]}]
    line = ("filter-ban", "-c", str(config_file), command)
    assert complete(*line, "192") == ["192.0.2.7", "192.0.2.8"]
    assert complete(*line, "2") == ["203.0.113.9"]


def test_no_daemon(complete: Complete, config_file: Path) -> None:
    """Where no daemon answers nothing is offered, and nothing said."""
    assert complete("filter-ban", "-c", str(config_file), "lift", "1") == []


def offered(config_file: Path, incomplete: str = "") -> list[str]:
    """Return the clients that are offered."""
    return [item.value for item in banned_clients(config_file, incomplete)]


def test_bounded(config_file: Path, daemon: Any) -> None:
    """Of very many clients some are offered."""
    many = [{"client": f"192.0.{number // 256}.{number % 256}"} for number in range(10 * MAX_CLIENTS)]
    daemon.answers["list"] = [{"bans": many}]
    assert len(offered(config_file)) == MAX_CLIENTS


@pytest.mark.parametrize("answer", [[{"error": "no"}], b"nonsense", [{"bans": 5}], [{"bans": [{}, 7]}]])
def test_strange_daemon(config_file: Path, daemon: Any, answer: Any) -> None:
    """A daemon that cannot be understood offers nothing."""
    daemon.answers["list"] = answer
    assert offered(config_file, "1") == []


def test_hung_daemon(config_file: Path, daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that gives no answer is not waited for."""
    monkeypatch.setattr("filter_ban.cli.completion.PATIENCE_S", 0.05)
    ended = threading.Event()
    daemon.answers["list"] = lambda _: [{"bans": [{"client": "192.0.2.7"}]}] * ended.wait(WAIT_S)
    assert offered(config_file) == []
    ended.set()


def test_wrong_configuration(config_file: Path) -> None:
    """A wrong configuration offers nothing."""
    config_file.write_text("[")
    assert offered(config_file) == []
