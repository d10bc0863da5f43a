# SPDX-License-Identifier: ISC
"""Tests of filter_ban.ledger.voids, by way of the ledger."""

import math
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filter_ban.client import parse_network
from filter_ban.ledger import Ledger
from filter_ban.ledger.backlog import Lift, settle
from filter_ban.model import Kind, Pardon, Strike

NOW_S = 1_800_000_000
CLIENT = parse_network("192.0.2.7")

MakeStrike = Callable[..., Strike]


def test_late_lift(ledger: Ledger, make_strike: MakeStrike) -> None:
    """A lift that is heard of late takes back the strikes until then; of two for a client the later one counts."""
    other = parse_network("192.0.2.8")
    stay = [make_strike(time_s=NOW_S + 3), make_strike(other, time_s=NOW_S + 1)]
    ledger.record_strikes([make_strike(), make_strike(time_s=NOW_S + 2), *stay])

    ledger.lift_all([Lift(CLIENT, NOW_S + 2, "a"), Lift(other, NOW_S + 0.5, "a"), Lift(CLIENT, NOW_S, "b")])
    assert stay == list(ledger.strikes_since(0))


def test_forgive(ledger: Ledger, make_strike: MakeStrike) -> None:
    """The strikes of one user at one client go up to a time; later ones, other users' and other clients' stay."""
    after_s = math.nextafter(NOW_S, math.inf)
    stay = [make_strike(user_tag=6), make_strike("192.0.2.8", user_tag=5), make_strike(user_tag=0)]
    stay.append(make_strike(time_s=after_s, user_tag=5))
    ledger.record_strikes([make_strike(user_tag=5), *stay])
    other = Pardon(parse_network("2001:db8::/64"), 6, NOW_S)
    ledger.forgive([Pardon(CLIENT, 5, NOW_S - 1), Pardon(CLIENT, 5, NOW_S), other])

    assert sorted(stay, key=lambda strike: strike.time_s) == list(ledger.strikes_since(0))[::-1]


work = st.lists(
    st.tuples(st.sampled_from([Strike, Pardon, Lift]), st.integers(0, 1), st.integers(0, 4)), max_size=40
)


@settings(max_examples=60, deadline=None)
@given(work=work, cuts=st.sets(st.integers(0, 40)))
def test_what_is_void(
    tmp_path_factory: pytest.TempPathFactory, work: list[tuple[type, int, int]], cuts: set[int]
) -> None:
    """However work is cut into batches, a pardon or a lift voids just the earlier strikes that were added before it."""
    expected: list[tuple[int, float]] = []
    with Ledger.open(tmp_path_factory.mktemp("ledger") / "ledger.sqlite3", NOW_S) as ledger:
        batch: list[Strike | Pardon] = []
        for number, (kind, user_tag, later_s) in enumerate(work):
            time_s = NOW_S + later_s * 2.0**-22  # neighbours
            if number in cuts or kind is Lift:
                write(ledger, batch)
                batch = []
            if kind is Lift:
                ledger.lift([CLIENT], time_s, "root")
                expected = [one for one in expected if one[1] > time_s]
            elif kind is Pardon:
                batch.append(Pardon(CLIENT, user_tag, time_s))
                expected = [one for one in expected if one[0] != user_tag or one[1] > time_s]
            else:
                batch.append(Strike(CLIENT, time_s, Kind.AUTH_FAIL, 1.0, user_tag=user_tag))
                expected.append((user_tag, time_s))
        write(ledger, batch)
        found = [(strike.user_tag, strike.time_s) for strike in ledger.strikes_since(0)]

    assert sorted(expected) == sorted(found)


def write(ledger: Ledger, batch: list[Strike | Pardon]) -> None:
    """Write counted work as the writer does."""
    strikes, pardons = settle(batch)
    ledger.forgive(pardons)
    ledger.record_strikes(strikes)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(time_s=st.floats(2.0**30, 2.0**32))
def test_times_are_compared_exactly(ledger: Ledger, make_strike: MakeStrike, time_s: float) -> None:
    """Whatever the time, the strike of just that moment is void, and the next one is not."""
    after = make_strike(time_s=math.nextafter(time_s, math.inf), user_tag=5)
    for void in (
        partial(ledger.forgive, [Pardon(CLIENT, 5, time_s)]),
        partial(ledger.lift, [CLIENT], time_s, "root"),
    ):
        ledger.record_strikes([make_strike(time_s=time_s, user_tag=5), after])
        void()
        assert [after] == list(ledger.strikes_since(0))
        ledger.lift([CLIENT], 2.0**33, "root")
