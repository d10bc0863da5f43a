# SPDX-License-Identifier: ISC
"""Where the sockets lie."""

import ast
import os
from pathlib import Path

import pytest

from filter_ban import places


def test_configured() -> None:
    """A configured folder is the only one."""
    assert places.socket_dirs("/srv/x") == ["/srv/x"]


def test_root_has_the_default() -> None:
    """Root serves in the default folder, also before there is one."""
    assert places.socket_dirs(None, 0) == [places.default_socket_dir()]


def test_private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who has no place in the default folder has one of his own, until somebody serves in the default."""
    default = tmp_path / "run"
    monkeypatch.setattr(places, "default_socket_dir", lambda: str(default))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert places.socket_dirs(None, 106) == [str(default), "/var/tmp/filter-ban-106"]
    default.mkdir()
    assert places.socket_dirs("", 106) == [str(default), "/var/tmp/filter-ban-106"]
    (default / "relay.sock").symlink_to("nowhere")
    assert places.socket_dirs(None, 106) == [str(default)]


def test_writable_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who may write to the default folder needs no other."""
    monkeypatch.setattr(places, "default_socket_dir", lambda: str(tmp_path))
    assert places.socket_dirs(None, 106) == [str(tmp_path)]


def test_is_private(tmp_path: Path) -> None:
    """Only a real folder of that user, which nobody else can write to, is private."""
    mine, open_to_all, link, file = (tmp_path / name for name in ("mine", "open", "link", "file"))
    mine.mkdir(mode=0o711)
    open_to_all.mkdir()
    open_to_all.chmod(0o1777)
    link.symlink_to(mine)
    file.touch()
    uid = mine.stat().st_uid
    assert places.is_private(str(mine), uid)
    assert not places.is_private(str(mine), uid + 1)
    assert [places.is_private(str(path), uid) for path in (open_to_all, link, file, tmp_path / "absent")] == [
        False
    ] * 4


def test_imports() -> None:
    """The module costs the relay nothing that it has not loaded anyway."""
    tree = ast.parse(Path(places.__file__).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"os", "stat", "sys"}
    assert not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))
