# SPDX-License-Identifier: ISC
"""Who has logged in from where, against a model that keeps everything."""

from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import ClientKey
from filter_ban.engine.logins import MAX_USERS, REPEATED_S, Logins

REMEMBER_S = 20_000
CLIENTS = [ClientKey(number.to_bytes(4) + b"\x20") for number in range(4)]
HERE = CLIENTS[0]
EVENTS = st.lists(st.tuples(st.sampled_from(CLIENTS), st.integers(1, 5), st.integers(0, 9000)), max_size=40)


@given(EVENTS)
def test_agrees_with_a_list_of_all_logins(events: list[tuple[ClientKey, int, int]]) -> None:
    """A user is familiar, and counted, for as long as the last login that was news is remembered."""
    logins = Logins(REMEMBER_S, 10)
    news: dict[tuple[ClientKey, int], int] = {}
    now_s = 0
    for client, user, later_s in events:
        now_s += later_s
        is_news = now_s - news.get((client, user), -REMEMBER_S) >= REPEATED_S
        assert logins.note(client, user, now_s) == is_news
        if is_news:
            news[client, user] = now_s

        for one in CLIENTS:
            known = {user for (c, user), at_s in news.items() if c == one and now_s - at_s < REMEMBER_S}
            assert {user for user in range(1, 6) if logins.is_familiar(one, user, now_s)} == known
            assert logins.users(one, now_s) == len(known)


@given(EVENTS, st.integers(1, 3))
def test_clients_are_bounded_and_the_least_recently_seen_goes_first(
    events: list[tuple[ClientKey, int, int]], most: int
) -> None:
    """Those that remain are the last ones that somebody logged in from."""
    logins = Logins(10**9, most)
    seen: list[ClientKey] = []
    for now_s, (client, user, _) in enumerate(events):
        logins.note(client, user, now_s)
        seen = [*(one for one in seen if one != client), client][-most:]

        assert {one for one in CLIENTS if logins.users(one, now_s)} == set(seen)
        assert len(logins) == len(seen)


def test_users_of_a_client_are_bounded() -> None:
    """Behind an address of thousands, those who logged in longest ago are forgotten."""
    logins = Logins(REMEMBER_S, 10)
    for user in range(1, MAX_USERS + 2):
        logins.note(HERE, user, 1000)

    assert logins.users(HERE, 1000) == MAX_USERS
    assert not logins.is_familiar(HERE, 1, 1000)
    assert logins.is_familiar(HERE, 2, 1000)


def test_a_login_of_before_is_no_news() -> None:
    """What the ledger remembers does not make a newer login older."""
    logins = Logins(REMEMBER_S, 10)
    logins.note(HERE, 7, 50_000)

    assert not logins.note(HERE, 7, 40_000)
    assert logins.is_familiar(HERE, 7, 50_000 + REMEMBER_S - 1)
    assert not logins.is_familiar(HERE, 7, 50_000 + REMEMBER_S)
