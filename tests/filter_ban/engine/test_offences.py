# SPDX-License-Identifier: ISC
"""Offences: counted, forgotten, taken back, and bounded."""

from filter_ban.client import parse_network
from filter_ban.engine.offences import Offences

FIRST, SECOND, THIRD = (parse_network(f"192.0.2.{number}") for number in range(3))


def test_offences_are_counted_and_forgotten() -> None:
    """The memory runs from the last one."""
    offences = Offences(100, 10)
    offences.note(FIRST, offences.next(FIRST, 0), 0)
    assert offences.next(FIRST, 99) == 2
    offences.note(FIRST, 2, 99)
    assert (offences.has(FIRST, 198), offences.has(FIRST, 199)) == (True, False)
    assert (offences.next(FIRST, 198), offences.next(FIRST, 199), offences.next(SECOND, 0)) == (3, 1, 1)


def test_what_is_older_than_known_is_no_news() -> None:
    """Restored offences do not replace those since the start."""
    offences = Offences(100, 10)
    offences.note(FIRST, 5, 50)
    offences.note(FIRST, 1, 40)
    assert offences.next(FIRST, 60) == 6


def test_the_last_offence_can_be_taken_back() -> None:
    """The ones before stay."""
    offences = Offences(100, 10)
    offences.note(FIRST, 2, 0)
    offences.take_back(FIRST)
    assert offences.next(FIRST, 1) == 2
    offences.take_back(FIRST)
    assert list(offences.clients) == []
    offences.take_back(FIRST)


def test_the_number_of_offenders_is_bounded() -> None:
    """Who offended longest ago goes first."""
    offences = Offences(100, 2)
    for time_s, client in enumerate((FIRST, SECOND, FIRST, THIRD)):
        offences.note(client, 1, time_s)
    assert set(offences.clients) == {FIRST, THIRD}


def test_forgetting_is_for_those_that_are_named() -> None:
    """Only the old among them go."""
    offences = Offences(100, 10)
    for time_s, client in ((0, FIRST), (0, SECOND), (50, THIRD)):
        offences.note(client, 1, time_s)
    offences.forget(100, [FIRST, THIRD])
    assert set(offences.clients) == {SECOND, THIRD}


def test_offences_of_other_nodes_may_be_the_same() -> None:
    """Within the memory the greater number and the later start hold; else the later offence, as it is."""
    offences = Offences(100, 10)
    for number, start_s, expected in (
        (2, 50, (2, 50)),
        (1, 60, (2, 60)),
        (3, 40, (3, 60)),
        (1, 160, (1, 160)),
    ):
        offences.hear(FIRST, number, start_s)
        assert offences.last(FIRST) == expected
    offences.hear(FIRST, 9, 60)

    assert offences.last(FIRST) == (1, 160)
    assert offences.last(SECOND) is None
