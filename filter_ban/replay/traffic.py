# SPDX-License-Identifier: ISC
"""Files of recordings and logs, plain or compressed, as one stream of signals in the order of time."""

import contextlib
import enum
import gzip
import heapq
import io
import itertools
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Final

from filter_ban.replay.maillog import SERVERS, Maillog
from filter_ban.replay.record import RecordReader, is_header
from filter_ban.replay.syslog import Entry, LineParser
from filter_ban.signals import Signal

STDIN: Final = Path("-")
MAX_LINE: Final = 8192  # bytes, what syslog daemons take by default
_GZIP: Final = b"\x1f\x8b"  # RFC 1952, 2.3.1


class Format(enum.StrEnum):
    """What a file holds; AUTO tells recordings from logs, and in logs reads the lines of all servers."""

    AUTO = "auto"
    RECORD = "record"
    OPENSMTPD = "opensmtpd"
    POSTFIX = "postfix"
    DOVECOT = "dovecot"


class Traffic:
    """
    The signals in some files.

    Args:
        files: Where to read; STDIN is standard input.
        kind: What the files hold.
        year: Of the first line of each log, where lines have no year; None: the latest that is possible.

    """

    def __init__(self, files: Iterable[Path], kind: Format = Format.AUTO, year: int | None = None) -> None:
        self.lines = 0
        self.cut = 0  # lines of recordings without a signal, headers aside
        self.troubles: list[str] = []  # files that could not be read to their end
        self._files = tuple(files)
        self._kind = kind
        self._year = year
        self._maillog = Maillog(SERVERS if kind in (Format.AUTO, Format.RECORD) else (kind,))

    @property
    def unknown(self) -> int:
        """How many lines nobody knows."""
        return self._maillog.unknown + self.cut

    @property
    def lost(self) -> int:
        """How many failures were left out because the log does not say from where they came."""
        return self._maillog.lost

    def signals(self) -> Iterator[Signal]:
        """
        Yield the signals.

        Raises:
            OSError: a file cannot be opened.

        """
        streams = [self._items(file) for file in self._files]
        read = self._maillog.read
        merged = streams[0] if len(streams) == 1 else heapq.merge(*streams, key=attrgetter("time_s"))
        for item in merged:
            if isinstance(item, Signal):
                yield item
            else:
                yield from read(item)

    def _items(self, file: Path) -> Iterator[Signal | Entry]:
        """Yield what is on the lines of one file: signals of a recording, entries of a log."""
        with _open(file) as stream:
            lines = self._lines(file, stream)
            first = next(lines, None)
            if first is None:
                return
            lines = itertools.chain((first,), lines)
            if self._kind is Format.RECORD or (self._kind is Format.AUTO and is_header(first)):
                yield from self._records(lines)
            else:
                yield from map(LineParser(self._year, _changed_s(file)).parse, lines)

    def _records(self, lines: Iterable[str]) -> Iterator[Signal]:
        read = RecordReader().read
        for line in lines:
            signal = read(line)
            if signal is not None:
                yield signal
            elif line and not is_header(line):
                self.cut += 1

    def _lines(self, file: Path, stream: io.BufferedIOBase) -> Iterator[str]:
        """Yield the lines without their ends; only a line feed ends one, and of a long one the rest is left out."""
        count = 0
        is_rest = False
        while True:
            try:
                line = stream.readline(MAX_LINE)
            except (OSError, EOFError, zlib.error) as error:
                self.troubles.append(f"{file}: read up to line {count:,} only: {error}")
                return
            if not line:
                return
            if not is_rest:
                count += 1
                self.lines += 1
                yield line.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
            is_rest = not line.endswith(b"\n")


@contextlib.contextmanager
def _open(file: Path) -> Iterator[io.BufferedIOBase]:
    """Open *file*, which may be compressed, to be read."""
    with open(sys.stdin.fileno(), "rb", closefd=False) if file == STDIN else file.open("rb") as stream:
        if not stream.peek(len(_GZIP)).startswith(_GZIP):
            yield stream
            return
        with gzip.open(stream) as plain:
            yield plain


def _changed_s(file: Path) -> float:
    return time.time() if file == STDIN else file.stat().st_mtime
