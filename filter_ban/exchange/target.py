# SPDX-License-Identifier: ISC
"""Where bans are exported to: a file that others read while it is written anew."""

import contextlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final

MODE: Final = 0o644
ENCODING: Final = "utf-8"
_GATHERED: Final = 1000  # lines in one write


class ExportFault(Exception):  # noqa: N818 - as ImportFault
    """A file that cannot be written; nothing has changed."""


def write(lines: Iterable[str], file: IO[bytes]) -> None:
    """Write *lines*, many at a time."""
    gathered: list[str] = []
    for line in lines:
        gathered.append(line)
        if len(gathered) == _GATHERED:
            file.write("".join(gathered).encode(ENCODING, "backslashreplace"))
            gathered.clear()
    file.write("".join(gathered).encode(ENCODING, "backslashreplace"))
    file.flush()


def replace(path: Path, lines: Iterable[str]) -> None:
    """
    Put *lines* in place of the content of *path*, at one stroke and readable for all.

    Whatever goes wrong, also while *lines* are made, leaves the old file.

    Raises:
        ExportFault: it cannot be written, or is something else than a file.

    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise ExportFault(f"{path}: is no file; leave out -o to write to standard output")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise ExportFault(f"{path}: cannot be written: {error.strerror}") from None
    with contextlib.ExitStack() as stack:
        stack.callback(Path(name).unlink, missing_ok=True)  # gone already when all went well
        with os.fdopen(descriptor, "wb") as file:
            try:
                write(lines, file)
                os.fchmod(descriptor, MODE)
                os.fsync(descriptor)
                Path(name).replace(path)
            except OSError as error:
                raise ExportFault(f"{path}: cannot be written: {error.strerror}") from None
