# SPDX-License-Identifier: ISC
"""Numbers as bars of characters."""

from collections.abc import Sequence
from typing import Any, Final

from rich.text import Text

from filter_ban.cli.document import Document, part
from filter_ban.cli.watch.look import QUIET, TITLE, Look
from filter_ban.cli.wording import is_number

MINUTES: Final = 60
_GRAPHS: Final = (("failures", "yellow"), ("refused", "cyan"), ("bans", "red"))
_INDENT: Final = 2
_LABEL: Final = 10
_NUMBER: Final = 8
_LEAST_LEVEL: Final = 2  # so that one is told from none


def columns(values: Sequence[int | None], rows: int, style: str, look: Look) -> list[Text]:
    """
    Return *values* as columns *rows* cells high, the top row first, in the scale of the largest.

    None, a time that is not known, is blank; zero is a base line.
    """
    steps = len(look.levels) - 1
    largest = max((value or 0 for value in values), default=0) or 1
    lines = [Text() for _ in range(rows)]
    for value in values:
        level = 0
        if value:
            level = max(_LEAST_LEVEL, round(value / largest * rows * steps))
        for at, line in enumerate(lines):
            height = min(max(level - (rows - 1 - at) * steps, 0), steps)
            if height:
                line.append(look.levels[height], style)
            else:
                is_base = at == rows - 1 and value is not None
                line.append(look.levels[1] if is_base else " ", QUIET)
    return lines


def share(part: float, width: int, style: str, look: Look) -> Text:
    """Return a horizontal bar that is filled to *part*, between 0 and 1."""
    filled = min(max(round(part * width), 0), width)
    return Text.assemble((look.full * filled, style), (look.empty * (width - filled), QUIET))


def minute_graphs(document: Document, number: int, height: int, width: int, look: Look) -> list[Text]:
    """Return the graphs of the last hour, each *height* rows high; of two, failures and bans are the ones."""
    minutes = part(document, "minutes")
    shown_minutes = max(1, min(MINUTES, width - _LABEL - _NUMBER - _INDENT))
    found = []
    names = _GRAPHS if number >= len(_GRAPHS) else (_GRAPHS[0], _GRAPHS[-1])[:number]
    for name, style in names:
        values = _values(minutes.get(name), shown_minutes)
        bars = columns(values, height, style, look)
        last, total = values[-1] or 0, sum(value or 0 for value in values)
        for at, bar in enumerate(bars):
            is_last = at == len(bars) - 1
            row = Text(f"  {name if is_last else '':<{_LABEL}}", QUIET)
            row.append_text(bar)
            if is_last:
                row.append(f"{last:>6,} ", TITLE)
                row.append(f" {total:,} in {shown_minutes} min", QUIET)
            found.append(row)
    return found


def _values(given: Any, number: int) -> list[int | None]:
    counts = given if isinstance(given, list) else []
    known = [value if isinstance(value, int) and is_number(value) else 0 for value in counts[-number:]]
    return [None] * (number - len(known)) + known
