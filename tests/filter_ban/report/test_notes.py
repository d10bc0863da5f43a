# SPDX-License-Identifier: ISC
"""Tests of filter_ban.report.notes."""

import pytest

from filter_ban.report.holding import Sums
from filter_ban.report.notes import notes
from tests.filter_ban.report.making import END_S, PERIOD, sums


@pytest.mark.parametrize(
    ("counted", "parts"),
    [
        (sums(), []),
        (sums(alarm={"right-password": 1}), ["Once a banned client logged in with a right password"]),
        (sums(alarm={"heard": 1200}), ["1,200 times a client was heard although its ban was in force"]),
        (sums(lost={"strikes": 1200}), ["1,200 strikes were lost"]),
        (sums(siege={"": 90}), ["for 1h30m in all"]),
        (sums(run={"minute": 24 * 60 - 5, "start": 2}), []),
        (sums(run={"minute": 20 * 60, "start": 1}), ["For 3h59m nothing was counted"]),
        (sums(run={}), ["For 1d nothing was counted"]),
    ],
)
def test_notes(counted: Sums, parts: list[str]) -> None:
    """What should be looked at is told, and nothing else."""
    found = list(notes(counted, PERIOD.start_s, END_S, 0))
    assert len(found) == len(parts)
    assert all(part in note for part, note in zip(parts, found, strict=True))


def test_recorded_later() -> None:
    """A ledger that is younger than the period is no daemon that did not run."""
    since_s = PERIOD.start_s + 4 * 3600
    found = list(notes(sums(run={"minute": 19 * 60 + 30}), PERIOD.start_s, END_S, since_s))
    assert found == ["Recorded only since Fri 15 Jan 2027 12:00."]


def test_not_recorded() -> None:
    """Where there is nothing at all, nothing else is said."""
    assert len(list(notes({}, PERIOD.start_s, END_S, None))) == 1
