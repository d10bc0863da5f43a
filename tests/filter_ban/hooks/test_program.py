# SPDX-License-Identifier: ISC
"""Hooks that are programs."""

from pathlib import Path

import pytest

from filter_ban.hooks import program
from tests.filter_ban.daemon.process import WAIT_S, wait_for
from tests.filter_ban.hooks.programs import heard, keeper, script

DOCUMENT = {"event": "ban", "reason": "$(touch x); 'a\" \x1b \u202e -rf"}


def test_document(tmp_path: Path) -> None:
    """The document comes on standard input; hostile texts are in it and nowhere else."""
    assert program.run((str(keeper(tmp_path)), "-x", "a b"), DOCUMENT, WAIT_S) == ""

    assert heard(tmp_path) == [DOCUMENT]
    assert (tmp_path / "arguments").read_text() == "2:-x a b\n"


def test_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is small and fixed, the folder is the root."""
    monkeypatch.setenv("SECRET", "x")
    hook = script(tmp_path / "hook", f"(/usr/bin/env; pwd) > {tmp_path}/told")
    assert program.run((str(hook),), {}, WAIT_S) == ""

    told = (tmp_path / "told").read_text().splitlines()
    assert {line.partition("=")[0] for line in told[:-1]} <= {"LC_ALL", "PATH", "PWD", "_", "SHLVL"}
    assert told[-1] == "/"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("exit 3", "(status 3): no message"),
        ("printf 'no \\033[31m good\\n' >&2; exit 1", "(status 1): no \\x1b[31m good"),
        ("head -c 3000000 /dev/zero", "printed more than 1048576 bytes"),
        ("exec sleep 60", "no end within 0.3 s"),
        ("sleep 60 & echo $! > {folder}/child; wait", "no end within 0.3 s"),
        ("kill -9 $$", "(status -9): no message"),
    ],
)
def test_failures(tmp_path: Path, body: str, why: str) -> None:
    """What goes wrong is told in words that do no harm."""
    hook = script(tmp_path / "hook", body.replace("{folder}", str(tmp_path)))
    timeout_s = 0.3 if "sleep" in body else WAIT_S

    assert program.run((str(hook),), DOCUMENT, timeout_s) == why


def test_whole_group(tmp_path: Path) -> None:
    """What a program has started ends with it."""
    hook = script(tmp_path / "hook", f"sleep 60 & echo $! > {tmp_path}/child; wait")
    program.run((str(hook),), DOCUMENT, 0.5)
    child = int((tmp_path / "child").read_text())

    wait_for(lambda: not is_running(child), "the child is gone")


def is_running(pid: int) -> bool:
    """Return whether there is a process of that number that has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_missing(tmp_path: Path) -> None:
    """A program that is missing, or may not be run, is told."""
    plain = tmp_path / "plain"
    plain.write_text("")
    for path in (tmp_path / "nosuch", plain):
        assert program.run((str(path),), DOCUMENT, WAIT_S) == "no such program, or it may not be run"


def test_does_not_read(tmp_path: Path) -> None:
    """A program need not read its input."""
    document = {"reason": "x" * 200_000}

    assert program.run((str(script(tmp_path / "hook", "exit 0")),), document, WAIT_S) == ""
