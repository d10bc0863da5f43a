# SPDX-License-Identifier: ISC
"""Packed strikes against a model that is a plain list."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.config.values import Limit
from filter_ban.engine import history
from filter_ban.engine.policy import ascending

LIMITS = (Limit(5.0, 600, "5 in 10m"), Limit(10.0, 86_400, "10 in 24h"), Limit(20.0, 604_800, "20 in 7d"))
TIMES = st.lists(st.floats(0, 2_000_000), min_size=1, max_size=60)
WEIGHTS = st.sampled_from([0.2, 1.0, 2.0])


def packed(strikes: list[tuple[float, float]]) -> bytes:
    """Return the history of strikes given as time and weight."""
    return b"".join(one(time_s, weight) for time_s, weight in strikes)


def one(time_s: float, weight: float = 1.0, user: int = 0, secret: int = 0) -> bytes:
    """Return the history of one strike."""
    return history.pack_strike(time_s, round(weight * history.HUNDREDTHS), user, secret)


@given(st.lists(st.tuples(st.floats(0, 2_000_000), WEIGHTS), min_size=1, max_size=60))
def test_reached_agrees_with_the_definition(strikes: list[tuple[float, float]]) -> None:
    """A limit is reached when the weights in the half-open window up to the newest strike sum up to it."""
    strikes.sort(key=lambda strike: strike[0])
    now_s = strikes[-1][0]

    expected = None
    for limit in LIMITS:
        hundredths = sum(round(weight * 100) for time_s, weight in strikes if now_s - time_s < limit.window_s)
        if hundredths >= limit.count * 100:
            expected = limit
            break
    reached = history.reached(packed(strikes), LIMITS)

    assert (reached[0] if reached else None) == expected


@given(st.lists(st.tuples(st.floats(0, 2_000_000), WEIGHTS), min_size=1, max_size=80))
def test_trimming_changes_no_decision(strikes: list[tuple[float, float]]) -> None:
    """A history that is trimmed after each strike gives the same answer as one that keeps everything."""
    strikes.sort(key=lambda strike: strike[0])
    whole = trimmed = b""
    for time_s, weight in strikes:
        whole += one(time_s, weight)
        trimmed = history.trim(trimmed + one(time_s, weight), 604_800, 20.0)

        before, after = history.reached(whole, LIMITS), history.reached(trimmed, LIMITS)
        assert (before and before[0]) == (after and after[0])
    assert len(trimmed) <= 101 * history.RECORD_BYTES


def test_the_edges_of_a_window() -> None:
    """A strike exactly one window old no longer counts."""
    at_edge = packed([(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (600.0, 1.0)])
    inside = packed([(0.001, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (600.0, 1.0)])

    assert history.reached(at_edge, LIMITS) is None
    assert history.reached(inside, LIMITS) == (LIMITS[0], 5.0)


def test_time_does_not_run_backwards() -> None:
    """A strike from before that is later than the oldest one counts as simultaneous with it."""
    assert history.prepend(one(1000.0), 2000.0, 1.0, 0, 0) == one(1000.0) * 2
    assert history.prepend(one(1000.0), 10.0, 1.0, 0, 0) == one(10.0) + one(1000.0)


def test_fifths_sum_up_exactly() -> None:
    """Twenty-five strikes of 0.2 are five, not a little less."""
    assert history.reached(packed([(1.0, 0.2)] * 24), LIMITS) is None
    assert history.reached(packed([(1.0, 0.2)] * 25), LIMITS) == (LIMITS[0], 5.0)


def test_tried_needs_the_same_user_and_the_same_secret() -> None:
    """Only the pair of user and secret is a repeat."""
    past = one(1.0, user=7, secret=1234)

    assert history.tried(past, 7, 1234)
    assert not history.tried(past, 7, 1235)
    assert not history.tried(past, 8, 1234)


def test_a_forgotten_secret_is_learned_once() -> None:
    """After a restart the first try for a user is taken for the one remembered, the second is not."""
    restored = history.prepend(b"", 1.0, 1.0, 7, history.FORGOTTEN_SECRET)

    learned = history.learn(restored, 7, 1234)

    assert learned is not None
    assert history.tried(learned, 7, 1234)
    assert history.learn(learned, 7, 5678) is None


def test_strikes_of_one_user_can_be_taken_back() -> None:
    """Those of other users stay, in their order."""
    mixed = b"".join(one(time_s, user=user) for time_s, user in ((1.0, 7), (2.0, 8), (3.0, 7)))

    assert history.without_user(mixed, 7, 3.0) == one(2.0, user=8)
    assert history.without_user(mixed, 7, 2.9) == one(2.0, user=8) + one(3.0, user=7)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ([(5, 600), (10, 86_400)], [(5, 600), (10, 86_400)]),
        ([(10, 86_400), (5, 600)], [(5, 600), (10, 86_400)]),
        ([(10, 600), (5, 86_400)], [(5, 86_400)]),
        ([(5, 600), (5, 86_400)], [(5, 86_400)]),
        ([(5, 600), (8, 600)], [(5, 600)]),
        ([(3, 60), (2, 600), (9, 6000)], [(2, 600), (9, 6000)]),
    ],
)
def test_limits_that_others_always_reach_first_are_left_out(
    written: list[tuple[int, int]], kept: list[tuple[int, int]]
) -> None:
    """What remains ascends in window and in count."""
    limits = tuple(Limit(float(count), window_s, "") for count, window_s in written)

    assert [(limit.count, limit.window_s) for limit in ascending(limits)] == kept


def test_time_and_user_find_the_strike_that_is_reweighed() -> None:
    """It weighs at least what is asked, keeps its place and its secret; another, or none, is not touched."""
    before = one(1.0, user=7, secret=1234) + one(2.0, user=7, secret=5) + one(2.0, 3.0, user=8)

    assert history.reweigh(before, 1.0, 7, 1500) == one(1.0, 15.0, 7, 1234) + before[history.RECORD_BYTES :]
    assert history.reweigh(before, 2.0, 8, 100) == before
    assert history.reweigh(before, 1.0, 8, 1500) is None
    assert history.reweigh(before, 3.0, 7, 1500) is None
    assert history.reweigh(b"", 1.0, 7, 1500) is None


USERS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 1234, 5678])), max_size=20)


@given(USERS, st.integers(0, 3))
def test_of_a_users_tries_that_weigh_nothing_one_is_noted(strikes: list[tuple[int, int]], user: int) -> None:
    """The newest; what weighs something, and others' tries, stay as they are."""
    weighty = b"".join(one(at_s, user=name) for at_s, (name, _) in enumerate(strikes)) or one(0.0)
    noted = weighty
    for at_s in (100, 200, 150):
        noted = history.note_try(noted, at_s, user)

    assert noted == weighty + one(200, 0.0, user)
    assert history.last_try_s(noted, user) == 200


@given(USERS, st.integers(0, 3))
def test_the_last_try_of_a_user(strikes: list[tuple[int, int]], user: int) -> None:
    """It is the newest one, and without any it was never."""
    packed_strikes = b"".join(one(at_s, user=name) for at_s, (name, _) in enumerate(strikes))
    expected = max((at_s for at_s, (name, _) in enumerate(strikes) if name == user), default=-math.inf)

    assert history.last_try_s(packed_strikes, user) == expected


@pytest.mark.parametrize(
    ("strikes", "is_one"),
    [
        ([], False),
        ([(0, 7, 0)], False),
        ([(0, 7, 0), (60, 7, 0)], True),
        ([(0, 7, 0), (59, 7, 0)], False),
        ([(0, 7, 1), (60, 7, 0), (120, 7, 0)], True),
        ([(0, 7, 0), (60, 8, 0)], False),
        ([(0, 0, 0), (60, 0, 0)], False),
        ([(0, 7, 0), (60, 7, 1234)], False),
        ([(0, 7, 1234), (60, 7, 1234)], False),
        ([(0, 7, 0), (60, 7, 0), (100, 7, 0)], False),
    ],
)
def test_one_program(strikes: list[tuple[int, int, int]], is_one: bool) -> None:
    """Two tries or more for one user, whose secret nobody saw, and never less than the pace between two."""
    assert history.is_one_program(b"".join(one(at, user=u, secret=s) for at, u, s in strikes), 60) is is_one


def test_restored_is_what_the_newest_strike_is() -> None:
    """One that was counted since the start is at the end."""
    restored = history.prepend(b"", 1.0, 1.0, 7, history.FORGOTTEN_SECRET)

    assert history.is_restored(restored)
    assert not history.is_restored(restored + one(2.0, user=7))


STRIKES = st.lists(st.tuples(st.integers(0, 9).map(float), st.integers(0, 2)), max_size=20)


@given(STRIKES, st.randoms(use_true_random=False))
def test_strikes_are_inserted_in_their_order(strikes: list[tuple[float, int]], chance: Random) -> None:
    """By time, then by user, in whatever order they come; of the same time and user there is one."""
    chance.shuffle(strikes)
    past, known = b"", set[tuple[float, int]]()
    for time_s, user in strikes:
        placed = history.insert(past, time_s, 100, user, 5)
        assert (placed is None) == ((time_s, user) in known)
        if placed is not None:
            past, end = placed
            assert past[end - history.RECORD_BYTES : end] == one(time_s, user=user, secret=5)
        known.add((time_s, user))

    assert past == b"".join(one(time_s, user=user, secret=5) for time_s, user in sorted(known))


@given(
    st.lists(st.tuples(st.integers(0, 2_000_000).map(float), WEIGHTS), min_size=1, max_size=40),
    st.integers(0, 2_000_000),
)
def test_where_limits_are_reached(strikes: list[tuple[float, float]], since_s: float) -> None:
    """At each strike since then up to which a limit is reached."""
    strikes.sort(key=lambda strike: strike[0])
    past = packed(strikes)
    ends = range(history.RECORD_BYTES, len(past) + 1, history.RECORD_BYTES)
    expected = [
        end
        for end, (time_s, _) in zip(ends, strikes, strict=True)
        if time_s >= since_s and history.reached(past[:end], LIMITS)
    ]

    assert list(history.ends_reached(past, since_s, LIMITS)) == expected


@given(st.lists(st.tuples(st.floats(0, 2_000_000), WEIGHTS), min_size=1, max_size=60), st.floats(0, 700_000))
def test_trimming_changes_no_sum(strikes: list[tuple[float, float]], window_s: float) -> None:
    """The newest strikes up to enough are summed up."""
    strikes.sort(key=lambda strike: strike[0])
    past = packed(strikes)
    trimmed = history.trim(past, 604_800, 5.0)
    window_s = min(window_s, 604_800)

    assert history.total(past, strikes[-1][0], window_s, 5.0) == history.total(
        trimmed, strikes[-1][0], window_s, 5.0
    )


def test_what_is_after_a_time() -> None:
    """A strike of that very time is not."""
    past = packed([(1.0, 1.0), (2.0, 1.0), (3.0, 1.0)])

    assert history.after(past, 2.0) == packed([(3.0, 1.0)])
    assert history.after(past, 0.5) == past
    assert history.after(b"", 2.0) == b""
