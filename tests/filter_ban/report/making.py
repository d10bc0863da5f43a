# SPDX-License-Identifier: ISC
"""Reports made of little, and of anything."""

from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from filter_ban.ledger import open_reader
from filter_ban.report import holding, period
from filter_ban.report.build import build
from filter_ban.report.holding import Holding, Sums
from filter_ban.report.model import Report
from filter_ban.report.period import Period
from filter_ban.tally import HOUR_S, Run, Tally, What
from tests.filter_ban.report.traffic import fill

HOUR = 500_000
PERIOD = Period(HOUR, HOUR + 24)
BEFORE = Period(HOUR - 24, HOUR)
END_S = PERIOD.end_s
COUNTED: Sums = {What.RUN: Counter({Run.MINUTE.value: 24 * 60})}  # all the time


def held(**more: Any) -> Holding:
    """Return what a ledger holds of a day on which nothing happened, but for what is given."""
    values: dict[str, Any] = {
        "recorded_since_s": 0,
        "sums": dict(COUNTED),
        "sums_before": {},
        "hourly": [],
        "bans": [],
        "strikes": {},
    }
    return Holding(**{**values, **more})


def report(holding: Holding, **more: Any) -> Report:
    """Return the report of a holding."""
    return build(holding, PERIOD, BEFORE, **{"now_s": END_S, "host": "mx.example.org", "top": 3, **more})


def sums(**counts: dict[str, int]) -> Sums:
    """Return sums by what and name, beside those of a daemon that ran all the time."""
    return {**COUNTED, **{What(what): Counter(named) for what, named in counts.items()}}


def week(folder: Path) -> Report:
    """Return the report of a week of traffic."""
    path = folder / "ledger.sqlite3"
    fill(path, END_S, days=7, failures_a_day=500)
    now, before = period.since(END_S, 7 * 86_400)
    with open_reader(path) as reader:
        held_then = holding.read(reader, now, before)
    return build(held_then, now, before, now_s=END_S, host="mx.example.org", top=5)


texts = st.text(max_size=90)
numbers = st.integers(0, 2**40)
_named = st.dictionaries(texts, st.integers(1, 2**40), max_size=5).map(Counter)
_tallies = st.builds(
    Tally,
    st.integers(HOUR, HOUR + 23),
    st.sampled_from([What.FAILURE, What.REFUSAL, What.BAN, What.DROP, What.END]),
    st.just("operator"),
    st.integers(1, 2**40),
)
_bans = st.tuples(
    st.sampled_from(["192.0.2.7", "2001:db8::/64"]),
    st.integers(END_S - 86_400, END_S),
    st.none() | st.integers(END_S, 2**33),
    st.none() | st.integers(END_S - 86_400, END_S),
    st.sampled_from(["5 in 10m", "decoy", "by hand"]),
)
reports = st.builds(
    report,
    st.builds(
        held,
        recorded_since_s=st.none() | st.sampled_from([0, HOUR * HOUR_S + 3600]),
        sums=st.dictionaries(st.sampled_from(What), _named),
        sums_before=st.dictionaries(st.sampled_from(What), _named),
        hourly=st.lists(_tallies, max_size=5),
        bans=st.lists(_bans, max_size=4),
        strikes=st.dictionaries(
            st.just("192.0.2.7"), st.lists(st.floats(END_S - 90_000, END_S), max_size=4).map(sorted)
        ),
    ),
    host=texts,
    news=st.lists(texts, max_size=2),
)
