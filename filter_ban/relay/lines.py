# SPDX-License-Identifier: ISC
"""Bytes into lines: only LF ends a line, whatever a client managed to put into it."""

MAX_LINE_BYTES = 64 * 1024  # smtpd's own limit for a line of a filter


class Lines:
    """The unfinished end of a stream; too long a line is dropped up to its LF and counted in ``too_long``."""

    def __init__(self, max_bytes: int = MAX_LINE_BYTES) -> None:
        self.too_long = 0
        self._max_bytes = max_bytes
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that *data* completes, without their LF, oldest first."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines and self._skipping:
            del lines[0]
            self._skipping = False
        if self._skipping:
            self._rest = b""
        elif len(self._rest) > self._max_bytes:
            self._rest = b""
            self._skipping = True
            self.too_long += 1
        fitting = [line for line in lines if len(line) <= self._max_bytes]
        self.too_long += len(lines) - len(fitting)
        return fitting
