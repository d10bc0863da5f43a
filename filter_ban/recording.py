# SPDX-License-Identifier: ISC
"""
A recording of signals for ``filter-ban replay``: JSON, one object a line.

The first line of a file, and the first that each process writes, says format and version. A user name is hidden: a
keyed hash of it, and in clear only what has the form of a domain. A secret's tag is hashed again with a key that is
never stored, so that it tells of two tries of one process whether they were the same, and nothing else.

Whoever records does not wait for the disk: a thread writes once a second. What cannot be written is lost and counted.
"""

import json
import logging
import os
import threading
from collections import deque
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from filter_ban.digest import blake2b
from filter_ban.engine.history import NO_SECRET
from filter_ban.ledger.mask import CUT, mask
from filter_ban.logline import fact
from filter_ban.signals import Signal

_log = logging.getLogger(__name__)
FORMAT: Final = "filter-ban signals"
VERSION: Final = 1
HEADER: Final = json.dumps({"format": FORMAT, "version": VERSION}).encode() + b"\n"

MAX_FILE_BYTES: Final = 64 << 20
MAX_WAITING: Final = 100_000  # signals, some seconds of the worst flood
MAX_TEXT: Final = 255
PIECE: Final = (
    256  # signals written at once; the engine's thread waits for no longer than it takes to encode them
)
PAUSE_S: Final = 1.0
_USER_BYTES: Final = 8
_SECRET_BYTES: Final = 4


class Encoder:
    """
    Turns signals into lines.

    Args:
        user_key: Key of the names' hashes; with the ledger's, recordings of different days can be compared.
        in_clear: Names that are nobody's, such as traps, and are written as they are.

    """

    def __init__(self, user_key: bytes, in_clear: Collection[str] = ()) -> None:
        self._user_key = user_key
        self._in_clear = frozenset(name.casefold() for name in in_clear)
        self._secret_key = os.urandom(16)

    def encode(self, signal: Signal) -> bytes:
        """Return *signal* as a line."""
        record: dict[str, object] = {
            "time": signal.time_s,
            "kind": signal.kind.value,
            "address": signal.address[:MAX_TEXT],
        }
        if signal.service:
            record["service"] = signal.service[:MAX_TEXT]
        if signal.user:
            record["user"] = self._hide(signal.user.casefold())
        if signal.secret != NO_SECRET:
            tag = signal.secret.to_bytes(_SECRET_BYTES)
            record["secret"] = blake2b(tag, digest_size=_SECRET_BYTES, key=self._secret_key).hexdigest()
        return json.dumps(record, separators=(",", ":")).encode() + b"\n"

    def _hide(self, name: str) -> str:
        if name in self._in_clear or name.rpartition("@")[0] in self._in_clear:
            return name
        text = name.encode("utf-8", "backslashreplace")
        hidden = blake2b(text, digest_size=_USER_BYTES, key=self._user_key).hexdigest()
        _, at, domain = mask(name).rpartition("@")
        return hidden if not at or CUT in domain else f"{hidden}@{domain}"


class Recorder:
    """
    Appends signals to a file; when it is full it becomes ``FILE.1``, in place of the one before.

    Args:
        path: The file.
        encoder: Makes the lines.
        max_file_bytes: Size at which a new file is begun.

    """

    def __init__(self, path: Path, encoder: Encoder, max_file_bytes: int = MAX_FILE_BYTES) -> None:
        self.written = 0
        self._refused = 0  # signals that found no room in memory; counted by who records
        self._failed = 0  # and those that found none on the disk; counted by the thread
        self.trouble = ""  # why signals are being lost
        self._path = path
        self._encoder = encoder
        self._max_file_bytes = max_file_bytes
        self._waiting: deque[Signal] = deque()
        self._begun = False  # whether this process has written its header
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def record(self, signal: Signal) -> None:
        """Take *signal* for the next batch; never waits."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(signal)
        else:
            self._refused += 1

    @property
    def lost(self) -> int:
        """How many signals could not be recorded."""
        return self._refused + self._failed

    def stop(self, timeout_s: float) -> None:
        """Write what is waiting and end the thread, within *timeout_s*."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.wait(PAUSE_S):
            self._write_waiting()
        self._write_waiting()

    def _write_waiting(self) -> None:
        waiting = self._waiting
        while waiting:
            self._write([waiting.popleft() for _ in range(min(PIECE, len(waiting)))])

    def _write(self, signals: Sequence[Signal]) -> None:
        try:
            self._append(b"".join(map(self._encoder.encode, signals)))
        except OSError as error:
            self._failed += len(signals)
            self._tell(str(error))
        else:
            self.written += len(signals)
            self._tell("")

    def _append(self, lines: bytes) -> None:
        """Append all of *lines* or nothing."""
        self._make_room(len(lines))
        file = self._open()
        try:
            size = os.fstat(file).st_size
            if not size:
                lines = HEADER + lines
            elif not self._begun:
                lines = b"\n" + HEADER + lines  # the last line of the process before may be cut
            try:
                _write_all(file, lines)
            except OSError:
                os.ftruncate(file, size)
                raise
            self._begun = True
        finally:
            os.close(file)

    def _make_room(self, more_bytes: int) -> None:
        try:
            size = self._path.lstat().st_size
        except FileNotFoundError:
            return
        if size and size + more_bytes > self._max_file_bytes:
            self._path.replace(f"{self._path}.1")

    def _open(self) -> int:
        return os.open(
            self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600
        )

    def _tell(self, trouble: str) -> None:
        if trouble and not self.trouble:
            _log.error(fact("recording-lost", why=trouble))
        self.trouble = trouble


def _write_all(file: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]
