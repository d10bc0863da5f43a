# SPDX-License-Identifier: ISC
"""Sieges, against the definition: so many distinct clients within the window."""

from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import ClientKey
from filter_ban.engine.sieges import Sieges

CLIENTS = [ClientKey(number.to_bytes(4) + b"\x20") for number in range(9)]
WINDOW_S = 100
EVENTS = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(CLIENTS), st.integers(0, 40)), max_size=60)


@given(EVENTS, st.integers(1, 6))
def test_agrees_with_the_definition(events: list[tuple[int, ClientKey, int]], enough: int) -> None:
    """A user is besieged when *enough* distinct clients failed within the half-open window."""
    sieges = Sieges(enough, WINDOW_S, 10)
    failures: list[tuple[int, ClientKey, int]] = []
    now_s = 0
    for user, client, later_s in events:
        now_s += later_s
        failures.append((user, client, now_s))
        expected = [
            tag
            for tag in range(1, 4)
            if len({c for u, c, at_s in failures if u == tag and now_s - at_s < WINDOW_S}) >= enough
        ]
        assert sieges.note(user, client, now_s) == (user in expected)
        assert sorted(sieges.besieged(now_s)) == expected


@given(EVENTS, st.integers(1, 3))
def test_users_are_bounded_and_the_least_recently_failed_goes_first(
    events: list[tuple[int, ClientKey, int]], most: int
) -> None:
    """With one client enough for a siege, the last users that were failed for are the besieged ones."""
    sieges = Sieges(1, WINDOW_S, most)
    seen: list[int] = []
    for user, client, _ in events:
        sieges.note(user, client, 0)
        seen = [*(one for one in seen if one != user), user][-most:]

        assert sieges.besieged(0) == seen


def test_one_client_is_no_siege() -> None:
    """However often it fails."""
    sieges = Sieges(2, WINDOW_S, 10)

    assert not any(sieges.note(7, CLIENTS[0], now_s) for now_s in range(50))


def test_a_siege_ends_with_its_window() -> None:
    """A user that nobody fails for any more is not besieged."""
    sieges = Sieges(2, WINDOW_S, 10)
    sieges.note(7, CLIENTS[0], 0)
    sieges.note(7, CLIENTS[1], 50)

    assert sieges.besieged(99) == [7]
    assert sieges.besieged(100) == []


def test_sieges_can_be_turned_off() -> None:
    """0 clients are never a siege, and nothing is remembered."""
    sieges = Sieges(0, WINDOW_S, 10)

    assert not sieges.note(7, CLIENTS[0], 0)
    assert sieges.besieged(0) == []


@given(EVENTS, st.integers(1, 6))
def test_failures_may_be_heard_in_any_order(events: list[tuple[int, ClientKey, int]], enough: int) -> None:
    """Told late, a failure is in its place: the last clients that failed are those remembered."""
    sieges = Sieges(enough, WINDOW_S, 10)
    latest: dict[tuple[int, ClientKey], int] = {}
    for user, client, at_s in events:
        sieges.hear(user, client, at_s)
        latest[user, client] = max(at_s, latest.get((user, client), 0))
        newest_s = max(time_s for (tag, _), time_s in latest.items() if tag == user)

        clients = sum(tag == user for tag, _ in latest)
        assert (user in sieges.besieged(newest_s, [user])) == (clients >= enough)
