# SPDX-License-Identifier: ISC
"""
The log: one line a fact, ``ban client=192.0.2.7 until=1763690000 rule="5 in 10m"``.

Values are escaped and bounded here, whatever they are. Lines go to stderr, with syslog priorities in front where systemd
reads it (sd-daemon(3)), or to syslog where stderr is gone. A line that cannot be written at once is lost and counted:
a log that nobody reads must not stop the mail.
"""

import logging
import os
import select
import sys
from typing import Final

from filter_ban.text import excerpt

_PRIORITIES: Final = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}
MAX_VALUE: Final = 200


def fact(event: str, /, **values: object) -> str:
    """Return the line for *event* with its values as ``key=value``; None is left out."""
    return " ".join(
        [event, *(f"{key}={_quote(value)}" for key, value in values.items() if value is not None)]
    )


def _quote(value: object) -> str:
    shown = excerpt(str(value), MAX_VALUE)
    return '"' + shown.replace('"', "'") + '"' if not shown or " " in shown or '"' in shown else shown


class _LineFormatter(logging.Formatter):
    """One record, one line; a traceback is folded into it."""

    def __init__(self, *, priorities: bool) -> None:
        super().__init__("filter-ban: %(message)s" if not priorities else "%(message)s")
        self._priorities = priorities

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record).replace("\n", " | ")
        return f"<{_PRIORITIES.get(record.levelno, 6)}>{line}" if self._priorities else line


class _Stderr(logging.Handler):
    """Writes to stderr without ever waiting, and to syslog once stderr is gone (smtpd, whose log it was, has ended)."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._lost = 0
        self._room = select.poll()
        self._room.register(fd, select.POLLOUT)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self._lost and self._write(self._about_lost()):
                self._lost = 0
            if self._lost or not self._write(record):
                self._lost += 1
        except OSError:
            self.handleError(record)

    def _about_lost(self) -> logging.LogRecord:
        message = fact("log-lines-lost", lines=self._lost, why="nobody reads the log")
        return logging.makeLogRecord({"levelno": logging.WARNING, "msg": message})

    def _write(self, record: logging.LogRecord) -> bool:
        """Write a line, or as much of it as there is room for; return whether that was all."""
        line = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
        for at in range(0, len(line), select.PIPE_BUF):  # so much can be written where poll(2) sees room
            if not self._room.poll(0):  # what is wrong with it is told too, and by write(2) once more
                return False
            os.write(self._fd, line[at : at + select.PIPE_BUF])
        return True

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        root = logging.getLogger()
        root.removeHandler(self)
        if os.path.exists("/dev/log"):  # noqa: PTH110 - pathlib is not loaded for this
            from logging.handlers import SysLogHandler  # noqa: PLC0415 - pulls in a lot, for a rare case

            syslog = SysLogHandler("/dev/log", SysLogHandler.LOG_DAEMON)
            syslog.setFormatter(_LineFormatter(priorities=False))
            root.addHandler(syslog)
            root.handle(record)


def set_up(level: int = logging.INFO) -> None:
    """Send the log of this process where it belongs. Logging never raises and never stops the program."""
    logging.raiseExceptions = True  # it leads to handleError above, which does not print
    handler = _Stderr(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2)
    handler.setFormatter(_LineFormatter(priorities="JOURNAL_STREAM" in os.environ))
    logging.basicConfig(level=level, handlers=[handler], force=True)
