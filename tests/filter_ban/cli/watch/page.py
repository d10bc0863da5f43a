# SPDX-License-Identifier: ISC
"""A terminal for tests: a pseudo-terminal with a command at it, and the page as a person would see it."""

import codecs
import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from typing import Any, Final

from tests.filter_ban.daemon.process import WAIT_S, wait_for

_PIECE: Final = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])|([^\x1b]+)|\x1b")
_CUT: Final = re.compile(r"\x1b(?:\[\??[0-9;]*)?$")
WIDTH: Final = 80
HEIGHT: Final = 24


class Page:
    """
    The command line at a pseudo-terminal.

    ``modes`` are the private modes that are switched on: 1049 the other page, 25 the cursor, 7 wrapping.
    """

    def __init__(self, *arguments: str, environment: Mapping[str, str]) -> None:
        self.master, self._slave = os.openpty()
        self.resize(WIDTH, HEIGHT)
        self.modes = {"25", "7"}
        self.raw = ""
        self._rows: dict[int, str] = {}
        self._row = 1
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._rest = ""  # a sequence that is not complete
        self.line_modes = termios.tcgetattr(self._slave)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "filter_ban", *arguments],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env={**os.environ, "TERM": "xterm-256color", **environment},
            start_new_session=True,
        )

    def resize(self, width: int, height: int) -> None:
        """Change the size of the terminal, without telling."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def tell_size(self) -> None:
        """Tell the command that the size has changed."""
        self.process.send_signal(signal.SIGWINCH)

    def press(self, keys: str) -> None:
        """Type *keys*."""
        os.write(self.master, keys.encode())

    def read(self) -> list[str]:
        """Take in what has been written; return the rows of the page."""
        while select.select([self.master], [], [], 0.02)[0]:
            with contextlib.suppress(OSError):
                text = self._rest + self._decode(os.read(self.master, 1 << 16))
                cut = _CUT.search(text)
                self._rest = "" if cut is None else cut[0]
                self._draw(text if cut is None else text[: cut.start()])
        return [self._rows.get(number, "").rstrip() for number in range(1, max(self._rows, default=0) + 1)]

    def sees(self, *texts: str) -> None:
        """Wait until all of *texts* stand on the page."""
        try:
            wait_for(lambda: all(text in "\n".join(self.read()) for text in texts), f"{texts} on the page")
        except AssertionError as error:
            raise AssertionError(f"{error}\n" + "\n".join(self.read())) from None

    def misses(self, text: str) -> None:
        """Wait until *text* is gone from the page."""
        wait_for(lambda: text not in "\n".join(self.read()), f"{text} is gone")

    def end(self) -> int:
        """Wait until the command has ended; return its status."""
        wait_for(lambda: self.read() is not None and self.process.poll() is not None, "the command ends")
        self.read()
        return int(self.process.wait())

    def is_as_before(self) -> bool:
        """Return whether modes, page and cursor are those of before the command."""
        modes: Any = termios.tcgetattr(self._slave)
        return bool(modes == self.line_modes and self.modes == {"25", "7"})

    def close(self) -> None:
        """End everything."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(WAIT_S)
        os.close(self.master)
        os.close(self._slave)

    def _draw(self, text: str) -> None:
        self.raw += text
        for private, numbers, final, plain in _PIECE.findall(text):
            if plain:
                self._rows[self._row] = self._rows.get(self._row, "") + plain
            elif private and final in "hl":
                (self.modes.add if final == "h" else self.modes.discard)(numbers)
                self.modes.discard("2026")
            elif final == "H":
                self._row = int(numbers.split(";")[0])
                self._rows[self._row] = ""
            elif final == "J":
                self._rows.clear()
