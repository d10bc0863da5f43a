# SPDX-License-Identifier: ISC
"""
The bans in fail2ban's database; it is only read, and fail2ban may be running.

Source: fail2ban 0.11 to 1.1, server/database.py: table ``bips`` has the ban that each address is under in each jail;
table ``bans`` is the history. A negative ``bantime`` is for ever.
"""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from filter_ban.exchange.holding import MAX_ENTRIES, Holding, ImportFault
from filter_ban.text import excerpt

LOCK_S: Final = 5.0  # fail2ban holds its lock for milliseconds
_QUERY: Final = "SELECT ip, jail, timeofban, bantime FROM bips ORDER BY timeofban LIMIT ?"


def read(path: Path, holding: Holding) -> None:
    """
    Add the bans in the database *path*.

    Raises:
        ImportFault: it cannot be read, or is none of fail2ban's.

    """
    try:
        with contextlib.closing(_open(path)) as database:
            for number, row in enumerate(database.execute(_QUERY, (MAX_ENTRIES + 1,)), 1):
                _take(f"row {number}", row, holding)
    except sqlite3.Error as error:
        if "no such table" in str(error) or "no such column" in str(error):
            raise ImportFault(
                f"{path}: no database of fail2ban 0.11 or later ({excerpt(str(error))})"
            ) from None
        raise ImportFault(f"{path}: cannot be read: {excerpt(str(error))}") from None


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", timeout=LOCK_S, uri=True)
    database.text_factory = lambda text: text.decode(errors="backslashreplace")
    return database


def _take(place: str, row: tuple[Any, ...], holding: Holding) -> None:
    ip, jail, start_s, length_s = row
    try:
        end_s = None if length_s < 0 else int(start_s + length_s)
    except (TypeError, ValueError, OverflowError):  # SQLite holds any value in any column
        holding.miss(place, f"{excerpt(str(ip))}: its times are no numbers")
        return
    holding.take(str(ip), place, end_s=end_s, remark=f"jail {jail}")
