# SPDX-License-Identifier: ISC
"""The command ``filter-ban opensmtpd``."""

import subprocess
import sys
from pathlib import Path

import pytest

from filter_ban.relay.command import USAGE, Arguments

CASES: dict[str, tuple[list[str], str | None, int]] = {
    "none": ([], None, 0),
    "file": (["--config", "/etc/x.toml"], "/etc/x.toml", 0),
    "file in one word": (["--config=/etc/x.toml"], "/etc/x.toml", 0),
    "relative": (["--config", "x.toml"], str(Path.cwd() / "x.toml"), 0),
    "the last counts": (["--config", "/a", "--config", "/b"], "/b", 0),
    "nothing named": (["--config"], None, 1),
    "unknown": (["-v", "serve", "--config", "/a"], "/a", 2),
}


@pytest.mark.parametrize(("words", "config", "faults"), CASES.values(), ids=CASES.keys())
def test_arguments(words: list[str], config: str | None, faults: int) -> None:
    """What is understood is taken, the rest is told."""
    arguments = Arguments(words)
    assert (arguments.config, len(arguments.faults), arguments.help) == (config, faults, False)


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help(word: str) -> None:
    """Help goes to standard output and waits for nobody."""
    argv = [sys.executable, "-m", "filter_ban", "opensmtpd", word]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, stdin=subprocess.PIPE)
    assert (done.stdout, done.stderr) == (USAGE, "")
