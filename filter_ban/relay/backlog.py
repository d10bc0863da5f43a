# SPDX-License-Identifier: ISC
"""What the daemon misses while it is away. Pure."""

MAX_BACKLOG_BYTES = 1024 * 1024


class Backlog:
    """The openings of the sessions that lived when the link was lost, and every report since, in order."""

    def __init__(self, max_bytes: int = MAX_BACKLOG_BYTES) -> None:
        self._max_bytes = max_bytes
        self._openings: list[bytes] = []
        self._reports = bytearray()

    def start(self, openings: list[bytes]) -> None:
        """Forget all; from here on, *openings* are where the story begins."""
        self._openings = openings
        self._reports = bytearray()

    def add(self, line: bytes) -> bool:
        """Keep one report; return False, and keep nothing of it, if there is no room."""
        if len(self._reports) + len(line) >= self._max_bytes:
            return False
        self._reports += line
        self._reports += b"\n"
        return True

    def drain(self) -> bytes:
        """Return all of it as complete lines and forget it."""
        story = b"".join([*self._openings, self._reports])
        self.start([])
        return story
