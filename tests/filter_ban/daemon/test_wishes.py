# SPDX-License-Identifier: ISC
"""What an operator asks for, one ban at a time."""

from typing import Any

import pytest

from filter_ban.client import parse_network
from filter_ban.daemon.wishes import MAX_BAN_S, Wish
from filter_ban.model import Ban

NOW_S = 1_795_000_000


@pytest.mark.parametrize(
    ("given", "request_", "expected"),
    [
        ("192.0.2.7", {}, Wish("192.0.2.7", None, "by hand")),
        ("192.0.2.7", {"length": 60, "reason": "x"}, Wish("192.0.2.7", NOW_S + 60, "x")),
        (7, {}, Wish(7, None, "by hand")),
        ({"client": "192.0.2.7"}, {"length": 60, "reason": "x"}, Wish("192.0.2.7", NOW_S + 60, "x")),
        ({"client": "192.0.2.7", "end": None}, {"length": 60}, Wish("192.0.2.7", None, "by hand")),
        (
            {"client": "192.0.2.7", "end": NOW_S + 5, "reason": "y\n"},
            {"length": 60, "reason": "x"},
            Wish("192.0.2.7", NOW_S + 5, "y\\n"),
        ),
        ({}, {}, Wish(None, None, "by hand")),
    ],
)
def test_parse(given: object, request_: dict[str, Any], expected: Wish) -> None:
    """A client's own end and reason hold before those of the request, and reasons are escaped."""
    assert Wish.parse(given, request_, NOW_S) == expected


@pytest.mark.parametrize(
    ("end", "problem"),
    [
        (NOW_S + 1, ""),
        (NOW_S, "its end has passed"),
        (-1, "its end has passed"),
        (NOW_S + MAX_BAN_S, ""),
        (NOW_S + MAX_BAN_S + 1, "its end is more than 100 years away"),
        ("soon", "its end is no number of seconds"),
        (1e12, "its end is no number of seconds"),
        (True, "its end is no number of seconds"),
    ],
)
def test_ends(end: object, problem: str) -> None:
    """An end is a second that is to come."""
    assert Wish.parse({"client": "192.0.2.7", "end": end}, {}, NOW_S).problem == problem


def test_reasons_are_bounded() -> None:
    """A reason is as long as the ledger keeps it."""
    assert len(Wish.parse({"client": "192.0.2.7", "reason": "x" * 1000}, {}, NOW_S).reason) == 200


@pytest.mark.parametrize(
    ("before", "end", "outcome"),
    [
        (None, 5, "banned"),
        (5, 5, "unchanged"),
        (5, 4, "unchanged"),
        (5, 6, "extended"),
        (5, None, "extended"),
    ],
)
def test_outcome(before: int | None, end: int | None, outcome: str) -> None:
    """No ban is ever shortened."""
    wish = Wish("192.0.2.7", None if end is None else NOW_S + end, "")
    client = parse_network("192.0.2.7")
    ban = None if before is None else Ban(client=client, start_s=0, end_s=NOW_S + before, rule="", reason="")

    assert wish.outcome(ban) == outcome


def test_nothing_outlasts_forever() -> None:
    """A ban without an end stays as it is."""
    ban = Ban(client=parse_network("192.0.2.7"), start_s=0, end_s=None, rule="", reason="")

    assert [Wish("", end, "").outcome(ban) for end in (None, NOW_S)] == ["unchanged", "unchanged"]
