# SPDX-License-Identifier: ISC
"""
CSV, with times that people can read and nothing that a spreadsheet takes for a formula.

Source: RFC 4180: lines end with CRLF, fields with commas, quotes or line ends are quoted. OWASP, "CSV injection", for
what begins a formula.
"""

import calendar
import csv
import io
import time
from collections.abc import Iterable, Iterator
from typing import Final

from filter_ban.client import key_text
from filter_ban.exchange.banned import Banned
from filter_ban.exchange.holding import Holding, ImportFault
from filter_ban.text import excerpt

COLUMNS: Final = ("client", "start", "end", "rule", "reason", "offence", "strikes", "reference", "firewall")
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"  # RFC 3339
_GUARDED: Final = ("=", "+", "-", "@", "\t", "\r", "'")  # the last one so that it can be taken away again


def read(text: str, holding: Holding) -> None:
    """
    Add the rows of *text*; only the column ``client`` must be there.

    Raises:
        ImportFault: it is no CSV, or has no such column.

    """
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        head = next(rows, [])
        if "client" not in head:
            raise ImportFault(f"{holding.origin}: its first row names no column client")
        for row in rows:
            if row:
                _take(dict(zip(head, map(_bare, row), strict=False)), f"line {rows.line_num}", holding)
    except csv.Error as error:
        raise ImportFault(f"{holding.origin}: line {rows.line_num}: {excerpt(str(error))}") from None


def _take(row: dict[str, str], place: str, holding: Holding) -> None:
    try:
        end_s = _seconds(row.get("end", ""))
    except ValueError:
        holding.miss(place, f"end {excerpt(row['end'])}: must be Unix seconds, or like 2026-11-21T05:29:00Z")
        return
    holding.take(row.get("client", ""), place, end_s=end_s, remark=row.get("reason", ""))


def _seconds(text: str) -> int | None:
    if not text:
        return None
    return int(text) if text.isdecimal() else calendar.timegm(time.strptime(text, _TIME))


def write(bans: Iterable[Banned]) -> Iterator[str]:
    """Yield a row for each of *bans*, below their names; a ban until lifted has no end."""
    yield _line(COLUMNS)
    for each in bans:
        ban = each.ban
        yield _line(
            (
                key_text(ban.client),
                _moment(ban.start_s),
                _moment(ban.end_s),
                ban.rule,
                ban.reason,
                ban.offence,
                f"{ban.strikes:g}",
                ban.reference,
                "yes" if ban.firewall else "no",
            )
        )


def _line(fields: Iterable[object]) -> str:
    return ",".join(_quoted(_guarded(str(field))) for field in fields) + "\r\n"


def _quoted(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if any(char in field for char in ',"\r\n') else field


def _guarded(field: str) -> str:
    return f"'{field}" if field.startswith(_GUARDED) else field


def _bare(field: str) -> str:
    return field[1:] if field.startswith("'") and field[1:].startswith(_GUARDED) else field


def _moment(time_s: int | None) -> str:
    return "" if time_s is None else time.strftime(_TIME, time.gmtime(time_s))
