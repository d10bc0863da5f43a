# SPDX-License-Identifier: ISC
"""What the ledger holds of a period, as it is read."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import attrs

from filter_ban.ledger import LedgerReader
from filter_ban.report.period import DAY_S, Period
from filter_ban.tally import Tally, What

LOOKED_BACK_S: Final = 7 * DAY_S  # for the first strike before a ban
HOURLY: Final = (What.FAILURE, What.REFUSAL, What.BAN, What.DROP, What.END)

Sums = dict[str, Counter[str]]
BanSpan = tuple[str, int, int | None, int | None, str]


@attrs.frozen(kw_only=True)
class Holding:
    """What the ledger holds of a period."""

    recorded_since_s: int | None
    sums: Sums  # by what and name
    sums_before: Sums  # of the period before
    hourly: list[Tally]  # of HOURLY
    bans: list[BanSpan]  # client, start, end, moment of a lift, rule; in the order of their starts
    strikes: dict[str, list[float]]  # times by banned client, in their order


def read(ledger: LedgerReader, period: Period, before: Period) -> Holding:
    """
    Return what *ledger* holds of *period*.

    Raises:
        LedgerError: It cannot be read.

    """
    bans = list(ledger.ban_spans(period.start_s, period.end_s))
    strikes: dict[str, list[float]] = {}
    if bans:
        since_s = period.start_s - LOOKED_BACK_S
        for client, time_s in ledger.strike_times(period.start_s, period.end_s, since_s):
            strikes.setdefault(client, []).append(time_s)
        for times in strikes.values():
            times.sort()
    return Holding(
        recorded_since_s=ledger.first_tally_s(),
        sums=_by_what(ledger.sums(period.start_hour, period.end_hour)),
        sums_before=_by_what(ledger.sums(before.start_hour, before.end_hour)),
        hourly=list(ledger.tallies(period.start_hour, period.end_hour, HOURLY)),
        bans=bans,
        strikes=strikes,
    )


def _by_what(rows: Iterator[tuple[str, str, int]]) -> Sums:
    sums: Sums = {}
    for what, name, number in rows:
        sums.setdefault(what, Counter())[name] = number
    return sums
