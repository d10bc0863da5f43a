# SPDX-License-Identifier: ISC
"""How the rows of a terminal are shared out."""

from hypothesis import given
from hypothesis import strategies as st

from filter_ban.cli.watch.layout import Layout, share_out

COUNT = st.integers(0, 60)


@given(st.integers(0, 200), COUNT, COUNT, st.integers(0, 12), st.integers(0, 9))
def test_no_row_is_given_twice(height: int, suspects: int, bans: int, parts: int, alarms: int) -> None:
    """No part has more rows than it needs, and from 15 rows on all of them find room."""
    layout = share_out(height, suspects, bans, parts, alarms)
    assert 0 <= layout.suspects <= max(1, suspects)
    assert 0 <= layout.bans <= max(1, bans)
    assert 0 <= layout.parts <= parts
    assert 0 <= layout.alarms <= alarms
    if height >= 15:
        titles = (layout.suspects > 0) + (layout.bans > 0) + layout.has_message_row
        graphs = layout.graphs * layout.graph_rows
        used = graphs + titles + layout.suspects + layout.bans + layout.parts + layout.alarms
        assert used + 2 + layout.has_message_row <= height
        assert layout.bans > 0
        assert layout.suspects > 0


def test_at_80_by_24() -> None:
    """Both lists are seen beside graphs, parts and an alarm."""
    assert share_out(24, 50, 50, 4, 1) == Layout(3, 1, 4, 7, 3, 1, has_message_row=True)


def test_a_short_list_leaves_its_room_to_the_other() -> None:
    """Rows that one list does not need are the other's."""
    assert share_out(24, 1, 50, 3, 0).bans == 11
    assert share_out(24, 50, 1, 3, 0).suspects == 11
