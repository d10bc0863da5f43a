# SPDX-License-Identifier: ISC
"""Histograms: buckets that add up."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.metrics import Histogram
from filter_ban.metrics.histogram import ANSWER_BOUNDS_S, BAN_BOUNDS_S, LAG_BOUNDS_S

BOUNDS = (0.5, 1.0, 2.0)
INFINITE = float("inf")


def test_a_bound_belongs_to_its_bucket() -> None:
    """What is just as high as a bound is counted there, what is higher than all of them above the last."""
    histogram = Histogram(BOUNDS)
    for value in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 100.0):
        histogram.observe(value)

    assert list(histogram.buckets()) == [(0.5, 2), (1.0, 3), (2.0, 5), (INFINITE, 7)]
    assert (histogram.count, histogram.total) == (7, 107.5)


def test_one_value_may_count_several_times() -> None:
    """As what was answered together does, and what was answered by nothing does not."""
    histogram = Histogram(BOUNDS)
    histogram.observe(0.25, 3)
    histogram.observe(9.0, 0)

    assert (histogram.count, histogram.total) == (3, 0.75)


@given(st.lists(st.floats(0, 1000)))
def test_buckets_count_what_is_no_higher(values: list[float]) -> None:
    """Each bucket has all values up to its bound, and the last one all."""
    histogram = Histogram(BOUNDS)
    for value in values:
        histogram.observe(value)

    for bound, count in histogram.buckets():
        assert count == sum(value <= bound for value in values)


@pytest.mark.parametrize("bounds", [ANSWER_BOUNDS_S, BAN_BOUNDS_S, LAG_BOUNDS_S])
def test_bounds_ascend(bounds: tuple[float, ...]) -> None:
    """A bucket is found by bisection."""
    assert all(low < high for low, high in pairwise(bounds))
