# SPDX-License-Identifier: ISC
"""Rows of the two lists: clients close to a ban, and the newest bans."""

from typing import Any, Final, Self

import attrs
from rich.text import Text

from filter_ban.cli.document import Document
from filter_ban.cli.show import KINDS
from filter_ban.cli.watch.graph import share
from filter_ban.cli.watch.look import BAD, GOOD, QUIET, WAITING, Look
from filter_ban.cli.watch.times import passed, rest
from filter_ban.cli.wording import enforcement, is_number, shown, weight

_WIDEST: Final = 116  # cells, for the columns that are not needed
_WIDE: Final = 96
_NARROW: Final = 70
_CLIENT: Final = range(15, 25)  # from 255.255.255.255 to 2001:db8:ffff:ffff::/64
_ROUNDED: Final = 5
_UNITS: Final = ((10**9, "G"), (10**6, "M"), (1000, "k"))
_NEAR: Final = 0.75  # of a limit
_STATES: Final = {"in-force": GOOD, "pending": WAITING, "failed": BAD, "drifted": BAD}


@attrs.frozen
class Columns:
    """What the rows of one list have in common; *width* is that of a row and *client* that of its first column."""

    look: Look
    width: int
    client: int
    counts_packets: bool
    now_s: float

    @classmethod
    def fit(cls, documents: list[Document], width: int, now_s: float, look: Look) -> Self:
        """Return the columns that *documents* need."""
        longest = max((len(shown(one.get("client"))) for one in documents), default=0)
        return cls(
            look=look,
            width=width,
            client=min(max(longest, _CLIENT.start), _CLIENT.stop - 1),
            counts_packets=width >= _NARROW and any(one.get("dropped") for one in documents),
            now_s=now_s,
        )


def suspect_row(suspect: Document, columns: Columns) -> Text:
    """Return the row of a client with strikes."""
    look, width = columns.look, columns.width
    strikes, limit = _number(suspect.get("strikes")), _number(suspect.get("limit"))
    part = strikes / limit if limit else 0.0
    bar_width = 12 if width >= _WIDE else 8 if width >= _NARROW else 4
    kind = shown(suspect.get("kind"))
    row = Text(look.cell(suspect.get("client"), columns.client) + " ")
    row.append_text(share(part, bar_width, BAD if part >= _NEAR else WAITING, look))
    row.append(look.cell(f" {weight(suspect.get('strikes'))} of {shown(suspect.get('window'))}", 17))
    row.append(look.cell(f"{passed(suspect.get('time'), columns.now_s)} ago", 10), QUIET)
    row.append(look.cell(KINDS.get(kind, kind), max(0, min(18, width - row.cell_len))))
    row.append(" " + look.text(suspect.get("service")), QUIET)
    return row


def ban_row(ban: Document, columns: Columns) -> Text:
    """Return the row of a ban."""
    look, width = columns.look, columns.width
    state, dropped = shown(ban.get("enforcement")), ban.get("dropped")
    row = Text(look.cell(ban.get("client"), columns.client) + " ")
    row.append(look.cell(rest(ban.get("end"), columns.now_s), 9))
    row.append(look.cell(enforcement(state), 14), _STATES.get(state, QUIET))
    if columns.counts_packets:
        row.append(look.cell(f"{rounded(dropped)} dropped" if dropped else "", 14), QUIET)
    if width >= _WIDE:
        row.append(look.cell(ban.get("reference"), 9))
    if width >= _WIDEST:
        row.append(look.cell(f"offence {shown(ban.get('offence'))}", 11), QUIET)
    if ban.get("problem"):
        row.append(f"{look.text(ban['problem'])}; ", BAD)
    row.append(look.text(_why(ban)))
    return row


def rounded(number: object) -> str:
    """Return a number in five characters at most: ``999``, ``1.2k``, ``12k``, ``3.4M``."""
    if not isinstance(number, int):
        return shown(number)[:_ROUNDED]
    size, unit = next(((size, unit) for size, unit in _UNITS if number >= size), (1, ""))
    is_whole = size == 1 or number >= 10 * size
    return (f"{number // size}{unit}" if is_whole else f"{number // (size // 10) / 10:.1f}{unit}")[:_ROUNDED]


def _why(ban: Document) -> str:
    rule, reason = shown(ban.get("rule")), shown(ban.get("reason"))
    return rule if reason == "-" else reason if rule in reason or " in " in rule else f"{rule}: {reason}"


def _number(value: Any) -> float:
    return float(value) if is_number(value) else 0.0
