# SPDX-License-Identifier: ISC
"""The ledger: the durable record of bans, offences, strikes and logins, in one SQLite file."""

from filter_ban.ledger.errors import LedgerError, Trouble
from filter_ban.ledger.health import LedgerHealth
from filter_ban.ledger.reader import Facts, LedgerReader, open_reader
from filter_ban.ledger.rows import Record
from filter_ban.ledger.store import Ledger, Recorded
from filter_ban.ledger.writer import LedgerWriter, Retention

__all__ = [
    "Facts",
    "Ledger",
    "LedgerError",
    "LedgerHealth",
    "LedgerReader",
    "LedgerWriter",
    "Record",
    "Recorded",
    "Retention",
    "Trouble",
    "open_reader",
]
