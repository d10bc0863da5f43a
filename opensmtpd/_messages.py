# SPDX-License-Identifier: ISC
"""Messages in the data-line phase: lines come, lines go, and each side ends its message with one dot."""

import enum
import re
from typing import Final

from opensmtpd._errors import LocalProtocolError
from opensmtpd._requests import DataLine

END: Final = "."
_LINE: Final = re.compile(r"[^\0\r\n\u0100-\U0010ffff]{0,1900}")  # smtpd 6.8 cuts an answer at 2047 bytes


class _Progress(enum.Enum):
    OPEN = enum.auto()
    INPUT_ENDED = enum.auto()
    OUTPUT_ENDED = enum.auto()


class Messages:
    """The messages between the first line that came and the dot of either side, at most *max_sessions* of them."""

    def __init__(self, max_sessions: int) -> None:
        self._max_sessions = max_sessions
        self._progress: dict[str, _Progress] = {}

    def receive(self, request: DataLine) -> None:
        """Take note of a line that came."""
        session = request.session
        progress = self._progress.pop(session, _Progress.OPEN)
        if request.line == END:
            if progress is _Progress.OUTPUT_ENDED:
                return
            progress = _Progress.INPUT_ENDED
        if len(self._progress) >= self._max_sessions:
            del self._progress[next(iter(self._progress))]
        self._progress[session] = progress

    def encode(self, request: DataLine, line: str) -> bytes:
        """
        Return *line* as a line of the message that goes on in *request*'s session.

        Raises:
            LocalProtocolError: that message has ended, or *line* is illegal.

        """
        session = request.session
        progress = self._progress.get(session, _Progress.OUTPUT_ENDED)
        if progress is _Progress.OUTPUT_ENDED:
            raise LocalProtocolError(f"session {session}: has no message in the data-line phase")
        if not _LINE.fullmatch(line):
            raise LocalProtocolError(
                f"data-line: {line[:100]!a}: must be at most 1900 characters of latin-1 without CR, LF and NUL"
            )
        if line == END and progress is _Progress.INPUT_ENDED:
            del self._progress[session]
        elif line == END:
            self._progress[session] = _Progress.OUTPUT_ENDED
        return f"filter-dataline|{session}|{request.token}|{line}\n".encode("latin-1")

    def forget(self, session: str) -> None:
        """Drop the message of a session that is over."""
        self._progress.pop(session, None)

    def clear(self) -> None:
        """Drop all messages."""
        self._progress.clear()
