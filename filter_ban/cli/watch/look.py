# SPDX-License-Identifier: ISC
"""Signs and colours of the live view, and text that fits: everything foreign passes through here."""

from collections.abc import Mapping
from typing import Final

import attrs
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from filter_ban.cli.wording import shown

# The terminal's own 16 colours: readable on dark and light, over ssh and on a console.
GOOD: Final = "green"
BAD: Final = "bold red"
WAITING: Final = "yellow"
QUIET: Final = "bright_black"
TITLE: Final = "bold"
KEY: Final = "bold"
CHOSEN: Final = "reverse"


@attrs.frozen
class Look:
    """A set of signs; ``levels`` are those of a bar of one cell, from nothing to full."""

    levels: str
    full: str
    empty: str
    rule: str
    dot: str
    chosen: str
    cut: str
    is_ascii: bool

    def text(self, value: object) -> str:
        """Return a foreign value so that this terminal can show it, on one line and bounded."""
        text = shown(value)
        if self.is_ascii and not text.isascii():
            return text.replace("…", self.cut).encode("ascii", "backslashreplace").decode()
        return text

    def cell(self, value: object, width: int) -> str:
        """Return a foreign value in exactly *width* cells; none is blank."""
        if width <= 0:
            return ""
        text = self.text(value) if value else ""
        if cell_len(text) > width:
            text = set_cell_size(text, width - len(self.cut)) + self.cut if width > len(self.cut) else text
        return set_cell_size(text, width)


UNICODE: Final = Look(" ▁▂▃▄▅▆▇█", "━", "─", "─", "●", "▶", "…", is_ascii=False)
ASCII: Final = Look(" .:-=+*%#", "#", ".", "-", "*", ">", "~", is_ascii=True)


def choose_look(encoding: str, environment: Mapping[str, str]) -> Look:
    """
    Return the look that a terminal can show.

    Python takes UTF-8 for the character set where the locale is C, and marks that in LC_CTYPE (PEP 538); the terminal
    was promised nothing but ASCII there.
    """
    named = environment.get("LC_ALL") or environment.get("LC_CTYPE") or environment.get("LANG") or "C"
    is_coerced = (
        not environment.get("LC_ALL")
        and environment.get("LC_CTYPE") == "C.UTF-8"
        and environment.get("LANG", "") in ("", "C", "POSIX")
    )
    promised = "utf" in named.lower() and not is_coerced
    return UNICODE if promised and encoding.lower().startswith("utf") else ASCII


def fitted(row: Text, width: int, style: str = "") -> Text:
    """Return *row* cut or filled to exactly *width* cells."""
    row.truncate(width, overflow="crop", pad=True)
    if style:
        row.stylize(style)
    return row
