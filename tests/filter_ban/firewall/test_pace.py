# SPDX-License-Identifier: ISC
"""New entries in a minute."""

from hypothesis import given
from hypothesis import strategies as st

from filter_ban.firewall.pace import Pace


def test_a_burst_and_then_the_rate() -> None:
    """A minute's worth may come at once; after that it takes its time."""
    pace = Pace(60)

    assert [pace.take(100, 0), pace.take(1, 0.5), pace.take(5, 2.5), pace.take(1000, 10_000)] == [
        60,
        0,
        2,
        60,
    ]


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 50)), max_size=50), st.integers(1, 20))
def test_no_minute_brings_more_than_two_minutes_worth(steps: list[tuple[float, int]], rate: int) -> None:
    """Whatever is asked when, a minute gives at most the burst and the rate, and never more than was asked."""
    pace = Pace(rate)
    now_s = 0.0
    given_at = []
    for pause_s, wanted in steps:
        now_s += pause_s
        granted = pace.take(wanted, now_s)
        assert 0 <= granted <= wanted
        given_at.append((now_s, granted))

    for start_s, _ in given_at:
        assert sum(number for time_s, number in given_at if start_s <= time_s < start_s + 60) <= 2 * rate
