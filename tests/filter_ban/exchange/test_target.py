# SPDX-License-Identifier: ISC
"""A file that is replaced at one stroke."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_ban.exchange.target import ExportFault, replace


def test_replace(tmp_path: Path) -> None:
    """The new file is readable for all, nothing is left beside it, and a link to it stays one."""
    path, link = tmp_path / "banned", tmp_path / "link"
    link.symlink_to(path)
    for text in ("one\n", "two\r\n"):
        replace(link, [text] * 2500)
        assert path.read_bytes() == text.encode() * 2500
    assert path.stat().st_mode & 0o7777 == 0o644
    assert link.is_symlink()
    assert sorted(tmp_path.iterdir()) == [path, link]


def test_whoever_reads_has_a_whole_file(tmp_path: Path) -> None:
    """A file that is open stays what it was."""
    path = tmp_path / "banned"
    replace(path, ["one\n"])
    with path.open() as before:
        replace(path, ["two\n"])
        assert before.read() == "one\n"


def test_trouble_while_it_is_made(tmp_path: Path) -> None:
    """Whatever goes wrong leaves the old file."""

    def broken() -> Iterator[str]:
        yield "half"
        raise RuntimeError

    path = tmp_path / "banned"
    replace(path, ["one\n"])
    with pytest.raises(RuntimeError):
        replace(path, broken())

    assert path.read_text() == "one\n"
    assert [*tmp_path.iterdir()] == [path]


def test_no_file(tmp_path: Path) -> None:
    """Nothing but a file is replaced."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe):
        with pytest.raises(ExportFault, match="is no file; leave out -o to write to standard output"):
            replace(path, [])
    with pytest.raises(ExportFault, match="cannot be written: No such file or directory"):
        replace(tmp_path / "no" / "folder", [])
