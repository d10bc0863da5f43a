# SPDX-License-Identifier: ISC
"""What should be looked at, found in what a period held."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from filter_ban.report import words
from filter_ban.report.holding import Sums
from filter_ban.tally import HOUR_S, Alarm, Run, What

_MINUTE_S: Final = 60
_SLACK_MINUTES: Final = 10  # the minute that runs, and what a restart costs


def notes(sums: Sums, start_s: int, end_s: float, recorded_since_s: int | None) -> Iterator[str]:
    """Yield what should be looked at, the most urgent first."""
    if recorded_since_s is None:
        yield "Nothing is recorded for reports yet: a daemon must have run for a minute."
        return
    alarms, run = sums.get(What.ALARM, Counter()), sums.get(What.RUN, Counter())
    if right := alarms.get(Alarm.RIGHT_PASSWORD):
        yield (
            f"{_times(right)} a banned client logged in with a right password: a guess was right. "
            "The log names the clients (alarm); change these passwords."
        )
    if heard := alarms.get(Alarm.HEARD):
        yield (
            f"{_times(heard)} a client was heard although its ban was in force in the firewall: do its packets come "
            "another way, through a proxy or to a port that is not closed?"
        )
    if recorded_since_s > start_s:
        yield f"Recorded only since {words.moment(recorded_since_s)}."
    expected_s = end_s - max(start_s, recorded_since_s + HOUR_S)
    missing = expected_s / _MINUTE_S - run.get(Run.MINUTE, 0) - run.get(Run.START, 0)
    if missing > _SLACK_MINUTES:
        yield f"For {words.length(missing * _MINUTE_S)} nothing was counted: no daemon ran, or its ledger could not be written."
    for table, rows in sums.get(What.LOST, {}).items():
        yield f"{words.number(rows)} {table} were lost: the ledger could not be written for too long."
    if minutes := sum(sums.get(What.SIEGE, {}).values()):
        yield f"User names were under siege, many clients at one name, for {words.length(minutes * _MINUTE_S)} in all."


def _times(count: int) -> str:
    return "Once" if count == 1 else f"{words.number(count)} times"
