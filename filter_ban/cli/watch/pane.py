# SPDX-License-Identifier: ISC
"""A text that covers the lists, as rows."""

import textwrap
from typing import Final

from rich.cells import chop_cells
from rich.text import Text

from filter_ban.cli.watch.frame import title
from filter_ban.cli.watch.look import Look
from filter_ban.cli.watch.screen import Pane

_INDENT: Final = 2
_LEAST_WRAP: Final = 10


def pane_rows(pane: Pane, width: int, height: int, look: Look) -> list[Text]:
    """Return *pane* from its top on, wrapped, in *height* rows."""
    room = max(1, height - 2)
    wrapped = [
        piece
        for line in pane.lines
        for whole in _wrapped(line, max(_LEAST_WRAP, width - 4))
        for piece in chop_cells(_ascii_if(whole, look), max(1, width - 2)) or [""]
    ]
    top = pane.top = min(
        pane.top, max(0, len(wrapped) - room)
    )  # what was scrolled past the end is no way back
    end = min(len(wrapped), top + room)
    where = f"{top + 1}-{end} of {len(wrapped)}" if len(wrapped) > room else ""
    return [title(pane.title, where, width, look), *(Text(f"  {line}") for line in wrapped[top:end])]


def _wrapped(line: str, width: int) -> list[str]:
    indent = " " * min(len(line) - len(line.lstrip()) + _INDENT, width // 2)
    return textwrap.wrap(line, width, subsequent_indent=indent) or [""]


def _ascii_if(text: str, look: Look) -> str:
    return text.encode("ascii", "backslashreplace").decode() if look.is_ascii else text
