# SPDX-License-Identifier: ISC
"""What the engine process reads back from the ledger when it starts. Trouble with the ledger never stops it."""

import asyncio
import itertools
import logging
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from filter_ban.client import ClientKey
from filter_ban.ledger import Ledger, LedgerError, LedgerReader, open_reader
from filter_ban.ledger.schema import USER_KEY_BYTES
from filter_ban.logline import fact
from filter_ban.model import Ban, Strike

_log = logging.getLogger(__name__)
PIECE: Final = 1000  # strikes folded between two chances for others
Offence = tuple[ClientKey, int, int]  # client, number of offences, start of the last


def open_ledger(path: Path) -> tuple[Ledger | None, bytes]:
    """Return the ledger, None if it cannot be written now, and the key for the tags of user names."""
    try:
        ledger = Ledger.open(path, time.time())
    except LedgerError as error:
        _log.error(fact("ledger-unusable", why=error, consequence="bans are kept in memory until it is"))
        return None, os.urandom(USER_KEY_BYTES)
    return ledger, ledger.user_key


def memory(ledger: LedgerReader, forget_s: float) -> tuple[list[Ban], list[Offence]]:
    """Return the active bans and the offences that are not forgotten."""
    now_s = time.time()
    return list(ledger.active_bans(now_s)), list(ledger.offences(now_s - forget_s))


def bans(path: Path) -> list[Ban]:
    """Return the active bans of the ledger at *path*; none where it cannot be read."""
    try:
        with open_reader(path) as reader:
            return list(reader.active_bans(time.time()))
    except LedgerError as error:
        _log.error(fact("ledger-unreadable", why=error, consequence="starting without its bans"))
        return []


def offences(path: Path, forget_s: float) -> list[Offence]:
    """Return the offences of the ledger at *path* that are not forgotten; none where it cannot be read."""
    try:
        with open_reader(path) as reader:
            return list(reader.offences(time.time() - forget_s))
    except LedgerError as error:
        _log.error(fact("ledger-unreadable", why=error, consequence="offences are counted anew"))
        return []


async def strikes(path: Path, since_s: float, restore: Callable[[Iterable[Strike]], None]) -> None:
    """Hand the strikes after *since_s* to *restore*, oldest first, in pieces between which others have their turn."""
    try:
        with open_reader(path) as reader:
            remaining = reader.strikes_since(since_s)
            while piece := await asyncio.to_thread(_take, remaining):
                restore(piece)
                await asyncio.sleep(0)
    except LedgerError as error:
        _log.error(fact("ledger-unreadable", why=error, consequence="strikes are counted anew"))


def _take(remaining: Iterable[Strike]) -> list[Strike]:
    return list(itertools.islice(remaining, PIECE))
