# SPDX-License-Identifier: ISC
"""What a server says while a test runs: kept until the test is over, and shown with it if it fails."""

import tempfile
from pathlib import Path
from typing import IO, ClassVar, Final

_SHOWN: Final = 20_000  # characters, of the end


class ServerLog:
    """The log of one server, a file that exists until it is closed."""

    _open: ClassVar[dict["ServerLog", str]] = {}

    def __init__(self, name: str) -> None:
        self.file: IO[bytes] = tempfile.NamedTemporaryFile(prefix=f"{name}-", suffix=".log")  # noqa: SIM115 - closed by close()
        self._open[self] = name

    @classmethod
    def ends(cls) -> list[tuple[str, str]]:
        """Return the name of each server whose log is open, with the end of that."""
        return [(name, log.text()[-_SHOWN:]) for log, name in cls._open.items()]

    def text(self) -> str:
        """Return all that the server has logged."""
        return Path(self.file.name).read_text(errors="backslashreplace")

    def close(self) -> None:
        """Drop it, unless that is done."""
        self._open.pop(self, None)
        self.file.close()
