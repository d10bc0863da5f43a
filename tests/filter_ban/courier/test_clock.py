# SPDX-License-Identifier: ISC
"""Clocks that differ."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.courier.clock import MAX_SHIFT_S, offset, shift, steady


def test_offset() -> None:
    """The store's clock was read in the middle of the exchange."""
    assert offset(100.0, 107.1, 100.2) == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("offset_s", "told_s"),
    [(0.0, 0), (1.9, 0), (-1.9, 0), (2.0, 2), (-30.4, -30), (90.6, 91), (-90.6, -91), (1e9, 1_000_000_000)],
)
def test_what_is_told(offset_s: float, told_s: int) -> None:
    """A clock that is wrong by two seconds or more is told of in whole seconds."""
    assert steady(offset_s, 0) == told_s


def test_what_is_told_is_steady() -> None:
    """Small changes of what is measured change nothing."""
    measured = [2.1, 1.9, 2.4, 0.5, 4.2, 3.0, 0.1]
    told = itertools.accumulate(measured, lambda told_s, offset_s: steady(offset_s, told_s), initial=0)
    assert list(told) == [0, 2, 2, 2, 2, 4, 4, 0]


@given(st.lists(st.floats(-1e6, 1e6)))
def test_what_is_told_is_right(measured: list[float]) -> None:
    """What is told is never wrong by more than clocks may differ."""
    told_s = 0
    for offset_s in measured:
        told_s = steady(offset_s, told_s)
        assert abs(offset_s - told_s) < 2.0


@pytest.mark.parametrize(
    ("told_s", "own_s", "shift_s"),
    [(0.0, 0, 0), (2.0, 0, 2), (5.0, 3, 2), (90.0, -30, 120), (-30.4, 0, -30), (1e300, 0, MAX_SHIFT_S),
     (-1e9, 0, -MAX_SHIFT_S)],
)  # fmt: skip
def test_shift(told_s: float, own_s: int, shift_s: int) -> None:
    """What makes up for a clock is the difference of what both tell of the store's, in whole seconds and within bounds."""
    assert shift(told_s, own_s) == shift_s


@given(st.lists(st.integers(-300, 300), min_size=2, max_size=5))
def test_a_time_that_goes_around_comes_back(told: list[int]) -> None:
    """From node to node, and back to the first, a time is shifted by nothing."""
    assert sum(shift(one_s, next_s) for one_s, next_s in zip(told, [*told[1:], told[0]], strict=True)) == 0
