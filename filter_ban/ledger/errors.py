# SPDX-License-Identifier: ISC
"""What can be wrong with the ledger's file, in our words instead of SQLite's."""

import enum
import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filter_ban.text import excerpt

_MAX_PATH_CHARS: Final = 200


class Trouble(enum.Enum):
    """Why the ledger cannot be used; the value completes the sentence "the ledger ..."."""

    ABSENT = "does not exist"
    LOCKED = "is locked by another program"
    FULL = "cannot grow: the disk is full"
    READ_ONLY = "cannot be written: read-only"
    INPUT_OUTPUT = "cannot be read or written: input/output error"
    CORRUPT = "is damaged"
    MOVED = "was deleted or replaced while in use"
    UNUSABLE = "cannot be used"


_TROUBLES: Final = {
    sqlite3.SQLITE_BUSY: Trouble.LOCKED,
    sqlite3.SQLITE_LOCKED: Trouble.LOCKED,
    sqlite3.SQLITE_FULL: Trouble.FULL,
    sqlite3.SQLITE_READONLY: Trouble.READ_ONLY,
    sqlite3.SQLITE_IOERR: Trouble.INPUT_OUTPUT,
    sqlite3.SQLITE_CORRUPT: Trouble.CORRUPT,
    sqlite3.SQLITE_NOTADB: Trouble.CORRUPT,
}
_SYSTEM_TROUBLES: Final = {
    errno.EROFS: Trouble.READ_ONLY,
    errno.EACCES: Trouble.READ_ONLY,
    errno.EPERM: Trouble.READ_ONLY,
    errno.ENOSPC: Trouble.FULL,
    errno.EDQUOT: Trouble.FULL,
    errno.EIO: Trouble.INPUT_OUTPUT,
}
_PRIMARY_CODE: Final = 0xFF  # an extended result code carries its primary code in the low byte


class LedgerError(Exception):
    """The ledger cannot do what was asked; nothing of it was done."""

    def __init__(self, trouble: Trouble, path: Path, detail: str = "") -> None:
        shown = excerpt(str(path), _MAX_PATH_CHARS)
        super().__init__(f"ledger {shown} {trouble.value}" + (f" ({excerpt(detail)})" if detail else ""))
        self.trouble = trouble


def trouble_of(error: sqlite3.Error) -> Trouble:
    """Return what SQLite's *error* says about the file."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # from the module, not the library: a text in the file that is no UTF-8
        return Trouble.CORRUPT if isinstance(error, sqlite3.OperationalError) else Trouble.UNUSABLE
    return _TROUBLES.get(code & _PRIMARY_CODE, Trouble.UNUSABLE)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system raise about the file into :class:`LedgerError`; a bug of ours stays as it is."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError):
        raise
    except sqlite3.Error as error:
        detail = f"{getattr(error, 'sqlite_errorname', 'sqlite3')}: {error}"
        raise LedgerError(trouble_of(error), path, detail) from error
    except UnicodeDecodeError as error:  # a damaged name or text inside SQLite's own message
        raise LedgerError(Trouble.CORRUPT, path, "undecodable text") from error
    except OSError as error:
        trouble = _SYSTEM_TROUBLES.get(error.errno or 0, Trouble.UNUSABLE)
        raise LedgerError(trouble, path, error.strerror or str(error)) from error
