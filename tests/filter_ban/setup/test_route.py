# SPDX-License-Identifier: ISC
"""Routes need no file of the system."""

import sys
from collections.abc import Sequence

import pytest

from filter_ban.config import Config
from filter_ban.setup import route
from filter_ban.setup.programs import MissingProgramError


def test_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is changed, and what routes cannot do is told, on each system."""
    plan = route.plan(Config(), lambda _: "")
    plan.accept()
    assert (plan.changes, plan.place.paths, plan.place.next_step) == ((), (), "")
    assert "open ones stall" in plan.notes[0]
    for platform, expected in (("linux", True), ("openbsd7", False)):
        monkeypatch.setattr(sys, "platform", platform)
        assert any("rp_filter" in note for note in route.plan(Config(), lambda _: "").notes) == expected


def test_by_hand() -> None:
    """There is nothing to write for another machine either."""
    assert route.by_hand(Config()) == ""


def test_not_installed() -> None:
    """Without the tool there is no plan."""

    def missing(argv: Sequence[str]) -> str:
        raise MissingProgramError(f"{argv[0]}: not found")

    with pytest.raises(MissingProgramError):
        route.plan(Config(), missing)
