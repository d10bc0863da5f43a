# SPDX-License-Identifier: ISC
"""How long bans are, and how soon they came."""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from statistics import median
from typing import Final

from filter_ban.config.values import parse_limit
from filter_ban.explanation import BY_HAND
from filter_ban.report import words
from filter_ban.report.holding import BanSpan
from filter_ban.report.model import Ranking, Row, TimeToBan
from filter_ban.report.period import DAY_S

LENGTHS_SHOWN: Final = 8
BOUNDS_S: Final = (1, 10, 60, 600, 3600, DAY_S)
BOUNDS: Final = ("<1s", "<10s", "<1m", "<10m", "<1h", "<1d", "more")


def lengths(bans: Iterable[BanSpan]) -> Ranking:
    """Return how long *bans* are, as they were pronounced: the most frequent lengths, the shortest first."""
    counts = Counter(math.inf if end_s is None else end_s - start_s for _, start_s, end_s, _, _ in bans)
    shown = sorted(seconds for seconds, _ in counts.most_common(LENGTHS_SHOWN))
    rows = [Row(words.ban_length(seconds), counts[seconds]) for seconds in shown]
    total = counts.total()
    return Ranking(rows=rows, others=total - sum(row.number for row in rows), total=total)


def time_to_ban(bans: Iterable[BanSpan], strikes: dict[str, list[float]]) -> TimeToBan:
    """Return how soon *bans* came, of those that strikes led to; bans by hand, and of networks, are none."""
    taken_s = list(_taken(bans, strikes))
    counts = Counter(bisect_right(BOUNDS_S, seconds) for seconds in taken_s)
    return TimeToBan(
        rows=[Row(bound, counts[index]) for index, bound in enumerate(BOUNDS)],
        known=len(taken_s),
        median_s=round(median(taken_s), 3) if taken_s else None,
    )


def _taken(bans: Iterable[BanSpan], strikes: dict[str, list[float]]) -> Iterator[float]:
    """Yield the time from the first strike in the window, and after any earlier ban, to the strike that caused the ban."""
    over_s: dict[str, float] = {}
    for client, start_s, end_s, lifted_s, rule in bans:
        times = strikes.get(client, ())
        last = bisect_left(times, start_s + 1) - 1  # a ban begins at the full second
        first = bisect_left(times, over_s.get(client, 0.0))
        if rule != BY_HAND and first <= last:
            first = max(first, bisect_right(times, times[last] - _window_s(rule)))
            yield times[last] - times[first]
        over_s[client] = lifted_s or end_s or math.inf


def _window_s(rule: str) -> float:
    try:
        return parse_limit(rule).window_s
    except ValueError:  # a rule without a window: a decoy, a trap user
        return DAY_S
