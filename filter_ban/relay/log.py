# SPDX-License-Identifier: ISC
"""
Lines on stderr, which smtpd copies to its log: few, short, printable, and never waited for.

Nothing that smtpd or a client said is ever quoted: any line may hold a credential.
"""

import os
import select
from contextlib import suppress

EVERY_S = 60.0
MAX_CHARS = 400


class Log:
    """A writer that says each kind of thing at most once a minute and counts the rest."""

    def __init__(self, fd: int = 2) -> None:
        self._fd = fd
        self._said_s: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def say(self, now_s: float, kind: str, detail: str = "") -> None:
        """Write *kind* and *detail* as one line, unless *kind* was written less than a minute ago."""
        if now_s - self._said_s.get(kind, -EVERY_S) < EVERY_S:
            self._unsaid[kind] = self._unsaid.get(kind, 0) + 1
            return
        unsaid = self._unsaid.pop(kind, 0)
        repeated = f" ({unsaid} more in between)" if unsaid else ""
        self._said_s[kind] = now_s
        self._write(f"{kind}{': ' if detail else ''}{detail}{repeated}")

    def _write(self, text: str) -> None:
        line = text.encode("unicode_escape")[:MAX_CHARS] + b"\n"
        poller = select.poll()
        poller.register(self._fd, select.POLLOUT)
        with suppress(OSError):  # nobody reads the log: no reason to stop
            if any(event & select.POLLOUT for _, event in poller.poll(0)):
                os.write(self._fd, line)
