# SPDX-License-Identifier: ISC
"""Unresolved failures: due in the order of time, and bounded."""

import pytest

from filter_ban.client import parse_network
from filter_ban.engine import unresolved as module
from filter_ban.engine.unresolved import Unresolved

BOT, OTHER = parse_network("192.0.2.1"), parse_network("192.0.2.2")


def test_failures_are_due_after_the_patience() -> None:
    """In the order of time, each once."""
    unresolved = Unresolved(10)
    unresolved.add(BOT, 5, 7)
    unresolved.add(OTHER, 3, 8)
    assert list(unresolved.take(12)) == []
    assert list(unresolved.take(14)) == [(13, OTHER, 3, 8)]
    assert list(unresolved.take(100)) == [(15, BOT, 5, 7)]
    assert len(unresolved) == 0


def test_the_number_of_failures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for what comes when there are too many."""
    monkeypatch.setattr(module, "MAX_UNRESOLVED", 2)
    unresolved = Unresolved(10)
    for time_s in range(5):
        unresolved.add(BOT, time_s, 7)
    assert [due_s for due_s, *_ in unresolved.take(100)] == [10, 11]
