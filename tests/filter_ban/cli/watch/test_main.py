# SPDX-License-Identifier: ISC
"""``filter-ban watch`` where there is no terminal."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from filter_ban.cli import group
from tests.filter_ban.cli.watch.documents import watched


@pytest.mark.parametrize("arguments", [(), ("--once",)], ids=["no terminal", "once"])
def test_once(run: Any, daemon: Any, arguments: tuple[str, ...]) -> None:
    """What is to be seen is printed once, plain, with all rows of the lists."""
    daemon.answers["watch"] = [watched()]
    result = run("watch", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "\x1b" not in result.stdout
    assert "203.0.113.6" in result.stdout
    assert "1,204 in force" in result.stdout
    assert [request["command"] for request in daemon.requests] == ["watch"]


def test_json(run: Any, daemon: Any) -> None:
    """The document is the daemon's."""
    daemon.answers["watch"] = [watched()]
    result = run("watch", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, watched())


def test_no_daemon(run: Any) -> None:
    """What is wrong is said, and the exit status tells."""
    result = run("watch")
    assert (result.exit_code, result.stdout) == (69, "")
    assert "no daemon answers" in result.stderr


def test_a_daemon_of_an_older_version(run: Any, daemon: Any) -> None:
    """It does not know the command, and says so."""
    daemon.answers["watch"] = [{"error": "not a request that this daemon knows; is it of another version?"}]
    result = run("watch")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "another version" in result.stderr


def test_rich_is_loaded_by_this_command_alone() -> None:
    """To know of it costs the other commands nothing."""
    code = "import sys, filter_ban.cli.group, filter_ban.cli.watch; print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert Path(group.__file__).exists()
