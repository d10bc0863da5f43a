# SPDX-License-Identifier: ISC
"""The engine is started without the capabilities that its parent was given for the firewall."""

import shutil
from pathlib import Path
from typing import Final

import pytest

from filter_ban.enforcer import engine_process

STATUS: Final = "Name:\tfilter-ban\nCapBnd:\t000001ffffffffff\nCapAmb:\t{}\nNoNewPrivs:\t1\n"
NONE: Final = "0000000000000000"
SOME: Final = {
    "CAP_NET_ADMIN": "0000000000001000",
    "the last one": "0000010000000000",
    "hexadecimal": "000000000000000a",
}


@pytest.fixture
def status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a file in the place of /proc/self/status."""
    status = tmp_path / "status"
    monkeypatch.setattr(engine_process, "_STATUS", status)
    return status


@pytest.mark.parametrize("capabilities", SOME.values(), ids=SOME.keys())
def test_given_up(status: Path, monkeypatch: pytest.MonkeyPatch, capabilities: str) -> None:
    """Where there are ambient capabilities, setpriv(1) starts the engine."""
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    status.write_text(STATUS.format(capabilities))
    assert engine_process._giving_up()[:2] == ["/usr/bin/setpriv", "--ambient-caps=-all"]


@pytest.mark.parametrize("text", [STATUS.format(NONE), "Name:\tpython\n", None])
def test_nothing_to_give_up(status: Path, text: str | None) -> None:
    """Started by root, by any user, or on another system, the engine is started as it is."""
    if text is not None:
        status.write_text(text)
    assert engine_process._giving_up() == []


def test_without_setpriv(status: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without setpriv(1) has an engine all the same."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    status.write_text(STATUS.format(SOME["CAP_NET_ADMIN"]))
    assert engine_process._giving_up() == []
