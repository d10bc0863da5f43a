# SPDX-License-Identifier: ISC
"""Tests of filter_ban.daemon.recall."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest

from filter_ban.client import make_key
from filter_ban.daemon import recall
from filter_ban.ledger import Ledger
from filter_ban.model import Login

NOW_S = 1_800_000_000
LOGINS = [
    Login(make_key(number.to_bytes(4), 32), number, NOW_S - number) for number in range(2 * recall.PIECE + 1)
]

T = TypeVar("T")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a closed ledger with logins, the oldest recorded first."""
    path = tmp_path / "ledger.sqlite3"
    with Ledger.open(path, NOW_S) as ledger:
        ledger.record_logins(LOGINS[::-1])
    return path


def pieces_of(source: AsyncIterator[list[T]]) -> list[list[T]]:
    """Return all pieces."""

    async def gather() -> list[list[T]]:
        return [piece async for piece in source]

    return asyncio.run(gather())


def test_logins_come_in_pieces(path: Path) -> None:
    """Logins come newest first, in pieces of bounded size."""
    pieces = pieces_of(recall.logins(path, 0))

    assert [len(piece) for piece in pieces] == [recall.PIECE, recall.PIECE, 1]
    assert [login for piece in pieces for login in piece] == LOGINS


def test_old_logins_are_left_out(path: Path) -> None:
    """Only logins after the given time come."""
    assert [LOGINS[:3]] == pieces_of(recall.logins(path, NOW_S - 3))


@pytest.mark.parametrize("content", [None, b"rubbish" * 1000], ids=["absent", "damaged"])
def test_unreadable_ledger(tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    """Where the ledger cannot be read nothing comes, and one line says what follows from that."""
    path = tmp_path / "ledger.sqlite3"
    if content is not None:
        path.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        assert pieces_of(recall.logins(path, 0)) == []

    (record,) = caplog.records
    assert "ledger-unreadable" in record.getMessage()
    assert "earlier logins are unknown" in record.getMessage()
