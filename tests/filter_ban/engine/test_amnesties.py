# SPDX-License-Identifier: ISC
"""Until when what is void: the latest word holds, and memory is bounded."""

from filter_ban.client import parse_network
from filter_ban.engine.amnesties import Amnesties

FIRST, SECOND, THIRD = (parse_network(f"192.0.2.{number}") for number in range(3))


def test_the_later_amnesty_holds() -> None:
    """An earlier one, or the same again, is no news."""
    amnesties = Amnesties(10)

    assert [amnesties.lift(FIRST, at_s) for at_s in (5.0, 5.0, 4.0, 6.0)] == [True, False, False, True]
    assert [amnesties.pardon(SECOND, 7, at_s) for at_s in (5.0, 9.0, 8.0)] == [True, True, False]
    assert (amnesties.lifted_s(FIRST), amnesties.lifted_s(SECOND)) == (6.0, 0.0)


def test_a_strike_is_void_by_either() -> None:
    """A lift is for all users of a client, a pardon for one."""
    amnesties = Amnesties(10)
    amnesties.pardon(FIRST, 7, 9.0)
    assert (amnesties.until_s(FIRST, 7), amnesties.until_s(FIRST, 8)) == (9.0, 0.0)
    amnesties.lift(FIRST, 5.0)

    assert (amnesties.until_s(FIRST, 7), amnesties.until_s(FIRST, 8)) == (9.0, 5.0)
    assert amnesties.until_s(SECOND, 7) == 0.0


def test_memory_is_bounded() -> None:
    """What was noted longest ago goes first."""
    amnesties = Amnesties(2)
    for at_s, client in enumerate((FIRST, SECOND, FIRST, THIRD), 1):
        amnesties.lift(client, float(at_s))
        amnesties.pardon(client, 7, float(at_s))

    assert dict(amnesties.lifts()) == {FIRST: 3.0, THIRD: 4.0}
    assert amnesties.until_s(SECOND, 7) == 0.0


def test_amnesties_are_forgotten() -> None:
    """Each kind by a time of its own."""
    amnesties = Amnesties(10)
    for at_s, client in enumerate((FIRST, SECOND, THIRD), 1):
        amnesties.lift(client, float(at_s))
        amnesties.pardon(client, 7, float(at_s))
    amnesties.forget(1.0, 2.5)

    assert [client for client, _ in amnesties.lifts()] == [SECOND, THIRD]
    assert [amnesties.until_s(client, 7) for client in (FIRST, SECOND, THIRD)] == [0.0, 2.0, 3.0]


def test_recalled_pardons_are_the_oldest() -> None:
    """Newest first they come before those that were given since, where there is room."""
    amnesties = Amnesties(3)
    amnesties.pardon(FIRST, 7, 9.0)
    for until_s, client in ((8.0, FIRST), (7.0, SECOND), (6.0, THIRD), (5.0, parse_network("192.0.2.9"))):
        amnesties.recall_pardon(client, 7, until_s)
    assert [amnesties.until_s(client, 7) for client in (FIRST, SECOND, THIRD)] == [9.0, 7.0, 6.0]
    amnesties.forget(0.0, 6.5)

    assert [amnesties.until_s(client, 7) for client in (FIRST, SECOND, THIRD)] == [9.0, 7.0, 0.0]
