# SPDX-License-Identifier: ISC
"""A root folder that is missing keeps its own tests from running, and no others."""

from pathlib import Path

import pytest

from tests.real import systems
from tests.real.debian_root import DebianRoot, RootUnavailableError
from tests.real.systems import Systems

HERE = DebianRoot("one server", "trixie", ("one-server",))
MISSING = DebianRoot("another server", "trixie", ("another-server",))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[DebianRoot]:
    """Put stand-ins in the place of what makes root folders; return those that were asked for."""
    asked = []

    def prepare(root: DebianRoot) -> Path:
        asked.append(root)
        if root == MISSING:
            raise RootUnavailableError("no space")
        return Path("/nowhere")

    monkeypatch.setattr(DebianRoot, "prepare", prepare)
    monkeypatch.setattr(systems, "_obstacle", lambda: "")
    monkeypatch.setattr(systems, "install", lambda system, added: None)
    return asked


def test_what_is_missing_is_told(asked: list[DebianRoot], tmp_path: Path) -> None:
    """The reason names the root folder; what was asked for once is not asked for again."""
    known = Systems(tmp_path)
    for _ in range(2):
        with pytest.raises(pytest.skip.Exception, match="no root folder with another server: no space"):
            known.folders(MISSING)
        assert known.folders(HERE) == (Path("/nowhere"), tmp_path / "one server")
    assert asked == [MISSING, HERE]


def test_an_obstacle_keeps_all_from_running(
    asked: list[DebianRoot], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without namespaces no root folder is asked for."""
    monkeypatch.setattr(systems, "_obstacle", lambda: "namespaces need root")
    with pytest.raises(pytest.skip.Exception, match="namespaces need root"):
        Systems(tmp_path).folders(HERE)
    assert asked == []
