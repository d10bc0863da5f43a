# SPDX-License-Identifier: ISC
"""How the rows of a terminal are shared out. Pure."""

from typing import Final

import attrs

_GRAPHS: Final = 3
_ROOMY: Final = 30  # rows, from which the graphs are higher
_SMALL: Final = 20  # rows, below which what matters least is left out


@attrs.frozen
class Layout:
    """How many rows each part has, titles not counted; a part with none has no title either."""

    graphs: int  # how many
    graph_rows: int  # of each
    suspects: int
    bans: int
    parts: int
    alarms: int
    has_message_row: bool


def share_out(height: int, suspects: int, bans: int, parts: int, alarms: int) -> Layout:
    """
    Share out *height* rows.

    Args:
        height: Of the terminal.
        suspects: Clients close to a ban; a list that is empty has a row that says so.
        bans: Newest bans, likewise.
        parts: Rows on parts.
        alarms: Rows on what is wrong.

    """
    is_small = height < _SMALL
    graph_rows = 2 if height >= _ROOMY else 1
    graphs = _GRAPHS if not is_small else 2
    alarms = min(alarms, max(1, height // 8))
    parts = min(parts, 1 if is_small else max(3, height // 8))
    fixed = 2 + (not is_small) + graphs * graph_rows + (parts + (not is_small)) + alarms
    free = max(0, height - fixed - 2)
    wanted_suspects, wanted_bans = max(1, suspects), max(1, bans)
    for_suspects = min(wanted_suspects, max(free * 2 // 5, free - wanted_bans))
    for_bans = min(wanted_bans, free - for_suspects)
    return Layout(graphs, graph_rows, for_suspects, for_bans, parts, alarms, not is_small)
