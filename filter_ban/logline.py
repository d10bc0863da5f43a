# SPDX-License-Identifier: ISC
"""
The log: one line a fact, ``ban client=192.0.2.7 until=1763690000 rule="5 in 10m"``, or the same as a JSON object.

Values are escaped and bounded here, whatever they are. Lines go to stderr, with syslog priorities in front where systemd
reads it (sd-daemon(3)), or to syslog where stderr is gone. A line that cannot be written at once is lost and counted:
a log that nobody reads must not stop the mail. Each event has its paragraph in the manual: docs/log.md.
"""

import json
import logging
import os
import select
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

from filter_ban.text import escape, excerpt

_PRIORITIES: Final = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}
_LARGEST: Final = 2**53  # RFC 8259, section 6
MAX_VALUE: Final = 200
MAX_TRACE: Final = 4000  # of a traceback in JSON, whose lines are bounded; its end says most
RESERVED: Final = ("time", "level", "process", "process_id", "event")
"""The keys of a JSON line that no fact uses."""


class Fact:
    """What happened: an event, and values that say where, why and what comes of it."""

    __slots__ = ("event", "values")

    def __init__(self, event: str, values: Mapping[str, object]) -> None:
        self.event = event
        self.values = values

    def __str__(self) -> str:
        return " ".join([self.event, *(f"{key}={_quote(value)}" for key, value in self.values.items())])


def fact(event: str, /, **values: object) -> Fact:
    """Return the line for *event* with its values as ``key=value``; None is left out."""
    return Fact(event, {key: value for key, value in values.items() if value is not None})


def _quote(value: object) -> str:
    text = f"{value:.12g}" if isinstance(value, float) else str(value)  # 5.0 strikes are 5
    shown = excerpt(text, MAX_VALUE)
    return '"' + shown.replace('"', "'") + '"' if not shown or " " in shown or '"' in shown else shown


class _Formatter(logging.Formatter):
    """One record, one line; ``priorities``: with what sd-daemon(3) reads in front of it."""

    priorities = False
    name = ""  # in front of it elsewhere

    def format(self, record: logging.LogRecord) -> str:
        return f"<{_PRIORITIES.get(record.levelno, 6)}>" if self.priorities else self.name


class _TextFormatter(_Formatter):
    """A fact as key=value; a traceback is folded into the line."""

    name = "filter-ban: "

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record) + logging.Formatter.format(self, record).replace("\n", " | ")


class _JsonFormatter(_Formatter):
    """A fact as a JSON object of bounded length; *process* is the name of this one's part."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        event, values = (
            (record.msg.event, record.msg.values)
            if isinstance(record.msg, Fact)
            else ("message", {"logger": record.name, "text": record.getMessage()})  # of a library
        )
        document: dict[str, Any] = {
            "time": _rfc3339(record.created),
            "level": logging.getLevelName(record.levelno).lower(),
            "process": self._process,
            "process_id": os.getpid(),
            "event": event,
            **{key: _typed(value) for key, value in values.items()},
        }
        if record.exc_info:
            trace = escape(self.formatException(record.exc_info).replace("\n", " | "))
            document["trace"] = trace[-MAX_TRACE:]
        return super().format(record) + json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _rfc3339(time_s: float) -> str:
    """Return a moment in UTC, to the millisecond."""
    whole_s, ms = divmod(round(time_s * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole_s))}.{ms:03}Z"


def _typed(value: object) -> int | float | str:
    """Return a number as it is, if it is one that every reader of JSON takes, and all else as bounded text."""
    if isinstance(value, int | float) and -_LARGEST <= value <= _LARGEST:  # a NaN is not
        return value
    return excerpt(str(value), MAX_VALUE)


class _Stderr(logging.Handler):
    """Writes to stderr without ever waiting, and to syslog once stderr is gone (smtpd, whose log it was, has ended)."""

    def __init__(self, fd: int, formatter: _Formatter) -> None:
        super().__init__()
        self._fd = fd
        self.formatter: _Formatter = formatter
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
            self.formatter.priorities = False
            syslog.setFormatter(self.formatter)
            root.addHandler(syslog)
            root.handle(record)


def set_up(level: str = "info", form: str = "text", process: str = "filter-ban") -> None:
    """
    Send the log of this process where it belongs. Logging never raises and never stops the program.

    Args:
        level: The least severity that is logged, as in ``log.level``.
        form: ``text`` or ``json``, as in ``log.form``.
        process: What this process is, for JSON.

    """
    logging.raiseExceptions = True  # it leads to handleError above, which does not print
    formatter = _JsonFormatter(process) if form == "json" else _TextFormatter()
    formatter.priorities = "JOURNAL_STREAM" in os.environ
    handler = _Stderr(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2, formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def set_level(level: str) -> None:
    """Log from now on what is of *level* or more severe; the rest stays as it was set up."""
    logging.getLogger().setLevel(level.upper())
