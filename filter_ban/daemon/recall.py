# SPDX-License-Identifier: ISC
"""What the engine process reads back from the ledger when it starts. Trouble with the ledger never stops it."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from filter_ban.client import ClientKey
from filter_ban.ledger import Ledger, LedgerError, LedgerReader, open_reader
from filter_ban.ledger.schema import USER_KEY_BYTES
from filter_ban.logline import fact
from filter_ban.model import Allowance, Ban, Login, Strike

_log = logging.getLogger(__name__)
T = TypeVar("T")
PIECE: Final = 500  # rows read between two chances for others: about a millisecond of work with each
Offence = tuple[ClientKey, int, int]  # client, number of offences, start of the last


def open_ledger(path: Path) -> tuple[Ledger | None, bytes]:
    """Return the ledger, None if it cannot be written now, and the key for the tags of user names."""
    try:
        ledger = Ledger.open(path, time.time())
    except LedgerError as error:
        _log.error(fact("ledger-unusable", why=error, consequence="bans are kept in memory until it is"))
        return None, os.urandom(USER_KEY_BYTES)
    return ledger, ledger.user_key


def memory(ledger: LedgerReader, forget_s: float) -> tuple[list[Allowance], list[Ban], list[Offence]]:
    """Return who is let in, the active bans, and the offences that are not forgotten."""
    now_s = time.time()
    bans, offences = ledger.active_bans(now_s), ledger.offences(now_s - forget_s)
    return list(ledger.allowances(now_s)), list(bans), list(offences)


async def allowances(path: Path) -> list[Allowance]:
    """Return whom the ledger at *path* lets in; nobody where it cannot be read."""
    consequence = "nobody is let in by hand"
    pieces = _pieces(path, lambda reader: reader.allowances(time.time()), consequence)
    return [allowance async for piece in pieces for allowance in piece]


async def bans(path: Path) -> AsyncIterator[list[Ban]]:
    """Yield the active bans of the ledger at *path*, in pieces; none where it cannot be read."""
    consequence = "starting without its bans"
    async for piece in _pieces(path, lambda reader: reader.active_bans(time.time()), consequence):
        yield piece


async def offences(path: Path, forget_s: float) -> AsyncIterator[list[Offence]]:
    """Yield the offences of the ledger at *path* that are not forgotten, in pieces; none where it cannot be read."""
    consequence = "offences are counted anew"
    async for piece in _pieces(path, lambda reader: reader.offences(time.time() - forget_s), consequence):
        yield piece


async def strikes(path: Path, since_s: float) -> AsyncIterator[list[Strike]]:
    """Yield the strikes after *since_s*, newest first, in pieces; none where the ledger cannot be read."""
    consequence = "strikes are counted anew"
    async for piece in _pieces(path, lambda reader: reader.strikes_since(since_s), consequence):
        yield piece


async def logins(path: Path, since_s: float) -> AsyncIterator[list[Login]]:
    """Yield the logins after *since_s*, newest first, in pieces; none where the ledger cannot be read."""
    consequence = "earlier logins are unknown"
    async for piece in _pieces(path, lambda reader: reader.logins_since(since_s), consequence):
        yield piece


async def lifts(path: Path, forget_s: float) -> AsyncIterator[list[tuple[ClientKey, float]]]:
    """Yield whose bans were lifted by hand, and when, in pieces; none where the ledger cannot be read."""
    consequence = "what other nodes say of earlier bans may be believed"
    async for piece in _pieces(path, lambda reader: reader.lifts_since(time.time() - forget_s), consequence):
        yield piece


async def ban_starts(path: Path, since_s: float) -> AsyncIterator[list[int]]:
    """Yield when bans began, active and past, from *since_s* on, in pieces; none where the ledger cannot be read."""
    consequence = "earlier bans are not shown"
    async for piece in _pieces(
        path,
        lambda reader: (start_s for _, start_s, *_ in reader.ban_spans(since_s, time.time())),
        consequence,
    ):
        yield piece


async def _pieces(
    path: Path, read: Callable[[LedgerReader], Iterator[T]], consequence: str
) -> AsyncIterator[list[T]]:
    """Yield what *read* reads, in pieces; the file is read in another thread, and others have their turn in between."""
    try:
        with open_reader(path) as reader:
            remaining = read(reader)
            while piece := await asyncio.to_thread(_take, remaining):
                yield piece
    except LedgerError as error:
        _log.error(fact("ledger-unreadable", why=error, consequence=consequence))


def _take(remaining: Iterator[T]) -> list[T]:
    return list(islice(remaining, PIECE))
