# SPDX-License-Identifier: ISC
"""
Lines on stderr, which smtpd copies to its log: few, short, printable, and never waited for.

Nothing that smtpd or a client said is ever quoted: any line may hold a credential.
"""

import os
import select
import time
from contextlib import suppress

EVERY_S = 60.0
MAX_CHARS = 400


LEVELS = ("debug", "info", "warning", "error")


class Log:
    """
    A writer that says each kind of thing at most once a minute and counts the rest.

    Args:
        fd: Where it writes.
        level: The least severity that it says, one of LEVELS.
        as_json: Whether to write a JSON object a line, as the daemon does.

    """

    def __init__(self, fd: int = 2, level: str = "info", *, as_json: bool = False) -> None:
        self._fd = fd
        self._unsaid_levels = LEVELS[: LEVELS.index(level)]
        self._as_json = as_json
        self._said_s: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def say(self, now_s: float, kind: str, detail: str = "", *, each: bool = False) -> None:
        """
        Write one line, unless its like was written less than a minute ago.

        Args:
            now_s: Of a clock that only runs on.
            kind: Severity and event: ``warning: no daemon``.
            detail: More on it.
            each: Whether every *detail* is a thing of its own.

        """
        level, _, event = kind.partition(": ")
        if level in self._unsaid_levels:
            return
        like = f"{kind}: {detail}" if each else kind
        if now_s - self._said_s.get(like, -EVERY_S) < EVERY_S:
            self._unsaid[like] = self._unsaid.get(like, 0) + 1
            return
        unsaid = self._unsaid.pop(like, 0)
        self._said_s[like] = now_s
        if self._as_json:
            self._write(_json(level, event, detail, unsaid))
        else:
            repeated = f" ({unsaid} more in between)" if unsaid else ""
            self._write(_printable(f"{kind}{': ' if detail else ''}{detail}{repeated}"))

    def _write(self, line: str) -> None:
        poller = select.poll()
        poller.register(self._fd, select.POLLOUT)
        with suppress(OSError):  # nobody reads the log: no reason to stop
            if any(event & select.POLLOUT for _, event in poller.poll(0)):
                os.write(self._fd, f"{line}\n".encode())


def _printable(text: str) -> str:
    return text.encode("unicode_escape").decode()[:MAX_CHARS]


def _json(level: str, event: str, detail: str, unsaid: int) -> str:
    """Return an object with the keys of the daemon's log; written by hand, because json is half as big as the relay."""
    texts = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "level": level,
        "process": "relay",
        "event": event.replace(" ", "-"),
        "detail": detail,
    }
    pairs = [f'"{key}":{_json_text(text)}' for key, text in texts.items() if text]
    return "{" + ",".join([*pairs, f'"process_id":{os.getpid()}', f'"more":{unsaid}']) + "}"


def _json_text(text: str) -> str:
    quoted = _printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'
