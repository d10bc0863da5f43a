# SPDX-License-Identifier: ISC
"""From what the ledger holds of a period to its report. Pure."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from filter_ban.explanation import BY_HAND
from filter_ban.model import Kind
from filter_ban.report import words
from filter_ban.report.bans import lengths, time_to_ban
from filter_ban.report.geo import Places
from filter_ban.report.holding import Holding, Sums
from filter_ban.report.model import Bin, Ranking, Report, Row, Total
from filter_ban.report.notes import notes
from filter_ban.report.period import Period, bins, step_of
from filter_ban.tally import HOUR_S, OTHERS, Tally, What

BUSIEST: Final = 5
TIME_OVER: Final = "time"  # the name of the ends that nobody caused
_NONE: Final[Counter[str]] = Counter()
_NAMES: Final = {What.FAILURE: "failures", What.REFUSAL: "refused", What.BAN: "bans", What.DROP: "dropped"}


def build(
    holding: Holding,
    period: Period,
    before: Period,
    *,
    now_s: float,
    host: str,
    top: int,
    places: Places | None = None,
    news: Iterable[str] = (),
) -> Report:
    """
    Return the report of *period*.

    Args:
        holding: What the ledger holds of it.
        period: It.
        before: The one that it is compared with.
        now_s: When it is made.
        host: Name of the machine.
        top: How many of each ranking are named.
        places: Looks up where networks are.
        news: Notes on how things are now.

    """
    sums = holding.sums
    since_s = holding.recorded_since_s
    sums_before = holding.sums_before if since_s is not None and since_s <= before.start_s else None

    def total(count: Callable[[Sums], int]) -> Total:
        return Total(count(sums), None if sums_before is None else count(sums_before))

    networks = sums.get(What.NETWORK, _NONE)
    found = {} if places is None else {network: places(network) for network in networks if network}
    step = step_of(period)
    by_hour = _by_hour(holding.hourly)
    end_s = min(now_s, period.end_s)
    return Report(
        host=host,
        made_s=now_s,
        start_s=period.start_s,
        end_s=end_s,
        recorded_since_s=since_s,
        step=step.words,
        failures=total(lambda of: _sum(of, What.FAILURE)),
        uncounted=total(_uncounted),
        logins=total(lambda of: of.get(What.SEEN, _NONE)[Kind.AUTH_PASS]),
        refused=total(lambda of: _sum(of, What.REFUSAL)),
        dropped=total(lambda of: _sum(of, What.DROP)),
        bans=total(lambda of: _sum(of, What.BAN)),
        banned_by_hand=total(lambda of: of.get(What.BAN, _NONE)[BY_HAND]),
        lifted=total(lambda of: _sum(of, What.END) - of.get(What.END, _NONE)[TIME_OVER]),
        bins=[_bin(hours, by_hour) for hours in bins(period.hours, step)],
        hours=_by_hour_of_day(by_hour),
        busiest=_busiest(by_hour),
        kinds=_ranking(_renamed(sums.get(What.FAILURE, _NONE), words.KINDS), top),
        services=_ranking(sums.get(What.SERVICE, _NONE), top),
        networks=_ranking(
            networks, top, {name: place.country or place.system for name, place in found.items()}
        ),
        countries=_placed(networks, {name: place.country for name, place in found.items()}, top),
        systems=_placed(networks, {name: place.system for name, place in found.items()}, top),
        users=_ranking(sums.get(What.USER, _NONE), top),
        rules=_ranking(sums.get(What.BAN, _NONE), top),
        backends=_ranking(sums.get(What.DROP, _NONE), top),
        lengths=lengths(holding.bans),
        time_to_ban=time_to_ban(holding.bans, holding.strikes),
        notes=[*news, *notes(sums, period.start_s, end_s, since_s)],
    )


def _sum(sums: Sums, what: What) -> int:
    return sums.get(what, _NONE).total()


def _uncounted(sums: Sums) -> int:
    """Return how many signals were no strikes; a strike is at least one signal."""
    seen = sums.get(What.SEEN, _NONE)
    return max(0, seen.total() - seen[Kind.AUTH_PASS] - _sum(sums, What.FAILURE))


def _by_hour(tallies: Iterable[Tally]) -> dict[int, Counter[str]]:
    hours: dict[int, Counter[str]] = {}
    for tally in tallies:
        counts = hours.setdefault(tally.hour, Counter())
        if tally.what == What.END:
            counts["lifted"] += tally.number if tally.name != TIME_OVER else 0
        else:
            counts[_NAMES[What(tally.what)]] += tally.number
    return hours


def _bin(hours: Iterable[int], by_hour: dict[int, Counter[str]]) -> Bin:
    first, *_ = hours
    counts: Counter[str] = Counter()
    for hour in hours:
        counts.update(by_hour.get(hour, _NONE))
    return Bin(
        start_s=first * HOUR_S,
        **{name: counts[name] for name in ("failures", "refused", "bans", "dropped", "lifted")},
    )


def _by_hour_of_day(by_hour: dict[int, Counter[str]]) -> list[int]:
    day = [0] * 24
    for hour, counts in by_hour.items():
        day[time.localtime(hour * HOUR_S).tm_hour] += counts["failures"]
    return day


def _busiest(by_hour: dict[int, Counter[str]]) -> list[Bin]:
    hours = sorted(by_hour, key=lambda hour: (-by_hour[hour]["failures"], hour))
    return [_bin([hour], by_hour) for hour in hours[:BUSIEST] if by_hour[hour]["failures"]]


def _renamed(counts: Counter[str], names: dict[Kind, str]) -> Counter[str]:
    texts = {kind.value: text for kind, text in names.items()}
    return Counter({texts.get(name, name): number for name, number in counts.items()})


def _ranking(counts: Counter[str], top: int, about: dict[str, str] | None = None) -> Ranking:
    total = counts.total()
    named = sorted((name for name in counts if name != OTHERS), key=lambda name: (-counts[name], name))[:top]
    rows = [Row(name, counts[name], (about or {}).get(name, "")) for name in named]
    return Ranking(rows=rows, others=total - sum(row.number for row in rows), total=total)


def _placed(networks: Counter[str], places: dict[str, str], top: int) -> Ranking | None:
    """Return the ranking of places; None where no network has one. Networks without one are among the others."""
    if not any(places.values()):
        return None
    counts: Counter[str] = Counter()
    for network, number in networks.items():
        counts[places.get(network, OTHERS)] += number
    return _ranking(counts, top)
