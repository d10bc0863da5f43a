# SPDX-License-Identifier: ISC
"""The terminal as a page of rows; whatever happens, it is given back as it was."""

import contextlib
import io
import os
import sys
import termios
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"  # the other page, no cursor, no wrapping, clear
_LEAVE: Final = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
_CLEAR: Final = "\x1b[0m\x1b[2J"
_BEGIN: Final = "\x1b[?2026h"  # terminals that know it show what follows at once; others ignore it
_END: Final = "\x1b[?2026l"
_LFLAG: Final = 3
_IFLAG: Final = 0
_FALLBACK: Final = (80, 24)


class Terminal:
    """Standard input and output, if both are a terminal that can move its cursor."""

    def __init__(self) -> None:
        self.input = sys.stdin.fileno()
        self._output = sys.stdout.fileno()
        self._encoding = sys.stdout.encoding
        self._drawn: list[str] = []
        self._console = Console(
            file=io.StringIO(), force_terminal=True, highlight=False, markup=False, emoji=False, width=1000
        )

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Take the terminal: keys one by one, unechoed and without signals, and a page of its own."""
        before = termios.tcgetattr(self.input)
        modes = termios.tcgetattr(self.input)
        modes[_LFLAG] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
        modes[_IFLAG] &= ~(termios.IXON | termios.ICRNL)
        try:
            termios.tcsetattr(self.input, termios.TCSAFLUSH, modes)
            self._write(_ENTER)
            yield
        finally:
            with contextlib.suppress(OSError):  # the terminal may be gone
                self._write(_LEAVE)
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self.input, termios.TCSAFLUSH, before)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows; a terminal that does not say has 80 by 24."""
        try:
            columns, rows = os.get_terminal_size(self._output)
        except OSError:
            return _FALLBACK
        return (columns, rows) if columns and rows else _FALLBACK

    def redraw(self) -> None:
        """Take it that nothing on the screen is as it was."""
        self._drawn = []

    def draw(self, rows: Sequence[Text]) -> None:
        """Show *rows*; only those that have changed are sent."""
        lines = [self._coded(row) for row in rows]
        before = self._drawn if len(self._drawn) == len(lines) else []
        sent = [
            f"\x1b[{at};1H{line}" for at, line in enumerate(lines, 1) if not before or before[at - 1] != line
        ]
        if sent:
            self._write(_BEGIN + ("" if before else _CLEAR) + "".join(sent) + _END)
        self._drawn = lines

    def _coded(self, row: Text) -> str:
        with self._console.capture() as captured:
            self._console.print(row, end="", soft_wrap=True)
        return captured.get()

    def _write(self, text: str) -> None:
        data = text.encode(self._encoding, "replace")
        while data:
            data = data[os.write(self._output, data) :]


def is_usable() -> bool:
    """Return whether there is a terminal to draw on and to read keys from."""
    return (
        sys.stdin.isatty()
        and sys.stdout.isatty()
        and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")
    )
