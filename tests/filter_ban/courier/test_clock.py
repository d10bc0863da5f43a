# SPDX-License-Identifier: ISC
"""Clocks that differ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.courier.clock import MAX_SHIFT_S, Shifts, offset


def test_offset() -> None:
    """The store's clock was read in the middle of the exchange."""
    assert offset(100.0, 107.1, 100.2) == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("offset_s", "own_offset_s", "shift_s"),
    [(0.0, 0.0, 0), (1.9, 0.0, 0), (-1.9, 0.0, 0), (2.0, 0.0, 2), (-30.4, 0.0, -30), (5.0, 3.5, 0),
     (90.0, -30.0, 120), (1e9, 0.0, MAX_SHIFT_S), (-1e9, 0.0, -MAX_SHIFT_S)],
)  # fmt: skip
def test_shift(offset_s: float, own_offset_s: float, shift_s: int) -> None:
    """A clock that is wrong by two seconds or more is made up for by whole seconds, within bounds."""
    assert Shifts().shift("mx2", offset_s, own_offset_s) == shift_s


def test_shift_is_steady() -> None:
    """Small changes of what is measured change nothing."""
    shifts = Shifts()
    measured = [2.1, 1.9, 2.4, 0.5, 4.2, 3.0, 0.1]
    assert [shifts.shift("mx2", offset_s, 0.0) for offset_s in measured] == [2, 2, 2, 2, 4, 4, 0]
    assert shifts.shift("mx3", 0.5, 0.0) == 0


@given(st.lists(st.floats(-1000, 1000)))
def test_shift_is_right(measured: list[float]) -> None:
    """Within its bounds, a shift is never wrong by more than clocks may differ."""
    shifts = Shifts()
    for offset_s in measured:
        shift_s = shifts.shift("mx2", offset_s, 0.0)
        assert abs(max(-MAX_SHIFT_S, min(offset_s, MAX_SHIFT_S)) - shift_s) <= 2.0
