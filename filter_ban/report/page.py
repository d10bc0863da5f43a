# SPDX-License-Identifier: ISC
"""A report as one page of HTML that needs nothing else: no script, no font, no network."""

import time
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final

from filter_ban import __version__
from filter_ban.report import words
from filter_ban.report.cards import chart, numbers, ranking, time_to_ban
from filter_ban.report.charts import Column, ticks
from filter_ban.report.model import Bin, Report, Total

_STYLE: Final = Path(__file__).with_name("page.css")
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'"  # whatever a text may contain, nothing is loaded
)
_SERIES: Final = (
    ("failures", "Failed logins", "that counted"),
    ("refused", "Commands refused", "in the dialogue"),
    ("dropped", "Packets dropped", "by the firewall"),
    ("bans", "Bans", "by rule and by hand"),
    ("lifted", "False alarms", "lifted by the operator"),
)
_STEPS: Final = {"hour": "%a %H:00", "6 hours": "%d %b", "day": "%d %b", "week": "%d %b %y"}
_FULL_STEPS: Final = {
    "hour": "%a %d %b %H:00",
    "6 hours": "%a %d %b %H:00",
    "day": "%a %d %b",
    "week": "week of %d %b %Y",
}


def render(report: Report) -> str:
    """Return *report* as a page."""
    return "".join(_page(report))


def _page(report: Report) -> Iterator[str]:
    title = f"filter-ban on {report.host}"
    yield (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{_STYLE.read_text(encoding='utf-8')}</style></head><body>\n"
    )
    yield from _head(report)
    yield "<main>\n"
    if report.is_empty:
        yield '<p class="quiet">Nothing happened: no failed login, no ban, no refusal.</p>\n'
    else:
        yield from _over_time(report)
        yield from _who(report)
        yield from _why(report)
    yield "</main>\n"
    yield from _foot(report)
    yield "</body></html>\n"


def _head(report: Report) -> Iterator[str]:
    yield (
        f"<header><h1>filter-ban <span>on {escape(report.host)}</span></h1>"
        f"<p>{_moment(report.start_s)} to {_moment(report.end_s)} {escape(words.zone(report.end_s))}</p>"
    )
    if report.notes:
        notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
        yield f'<section class="notes" aria-label="What should be looked at"><ul>{notes}</ul></section>'
    if not report.is_empty:
        tiles: tuple[tuple[str, str, Total], ...] = (
            ("failures", "failed logins", report.failures),
            ("refused", "commands refused", report.refused),
            ("dropped", "packets dropped", report.dropped),
            ("bans", "bans", report.bans),
            ("lifted", "false alarms lifted", report.lifted),
            ("logins", "good logins", report.logins),
        )
        yield f'<dl class="tiles">{"".join(_tile(*tile) for tile in tiles)}</dl>'
    yield "</header>\n"


def _moment(time_s: float) -> str:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_s))
    return f'<time datetime="{stamp}">{words.moment(time_s)}</time>'


def _tile(kind: str, name: str, total: Total) -> str:
    return (
        f'<div class="{kind}"><dt>{name}</dt>'
        f"<dd><b>{words.number(total.now)}</b><small>{_compared(total)}</small></dd></div>"
    )


def _compared(total: Total) -> str:
    change = words.change(total.now, total.before)
    if not change or total.before is None:
        return ""
    return {"same": "as before", "new": "none before"}.get(
        change, f"{change} from {words.number(total.before)}"
    )


def _over_time(report: Report) -> Iterator[str]:
    yield f'<section><h2>Over time</h2><p class="lead">Each column is {words.a(report.step)}.</p><div class="charts">\n'
    for name, title, about in _SERIES:
        yield _time_chart(report, name, title, about)
    yield _hours_chart(report.hours)
    yield "</div>\n"
    head = ["From", *(title for _, title, _ in _SERIES)]
    rows = [
        [
            time.strftime(_FULL_STEPS[report.step], time.localtime(one.start_s)),
            *map(words.number, _values(one)),
        ]
        for one in report.bins
    ]
    yield numbers("The numbers over time", head, rows)
    hours = [[f"{hour:02}:00", words.number(value)] for hour, value in enumerate(report.hours)]
    yield numbers("The numbers by the hour of the day", ["Hour", "Failed logins"], hours)
    yield "</section>\n"


def _values(one: Bin) -> list[int]:
    return [getattr(one, name) for name, _, _ in _SERIES]


def _time_chart(report: Report, name: str, title: str, about: str) -> str:
    full, short = _FULL_STEPS[report.step], _STEPS[report.step]
    values = [getattr(one, name) for one in report.bins]
    starts = [time.localtime(one.start_s) for one in report.bins]
    bars = [Column(time.strftime(full, at), value) for at, value in zip(starts, values, strict=True)]
    return chart(name, title, about, bars, ticks([time.strftime(short, at) for at in starts]))


def _hours_chart(hours: list[int]) -> str:
    bars = [Column(f"{hour:02}:00 to {hour + 1:02}:00", value) for hour, value in enumerate(hours)]
    labels = [f"{hour:02}:00" for hour in range(24)]
    return chart("hours", "Hours of the day", "when logins fail", bars, ticks(labels))


def _who(report: Report) -> Iterator[str]:
    yield '<section><h2>Who, and whom</h2><div class="rankings">\n'
    yield ranking("networks", "Networks", "IPv4 /24, IPv6 /48", report.networks)
    yield ranking("users", "User names attacked", "masked", report.users)
    if report.countries is not None:
        yield ranking("countries", "Countries", "of these networks", report.countries)
    if report.systems is not None:
        yield ranking("systems", "Autonomous systems", "of these networks", report.systems)
    yield ranking("services", "Services", "where it was tried", report.services)
    yield ranking("kinds", "What was seen", "and counted", report.kinds)
    yield "</div></section>\n"


def _why(report: Report) -> Iterator[str]:
    if not report.bans.now:
        return
    yield '<section><h2>Bans</h2><div class="rankings">\n'
    yield ranking("rules", "Rules", "that were reached", report.rules)
    yield time_to_ban(report.time_to_ban, report.bans.now)
    if report.lengths.total:
        yield ranking("lengths", "Lengths of bans", "as pronounced", report.lengths)
    if report.backends.total:
        yield ranking("backends", "Packets dropped", "by firewall", report.backends)
    yield "</div></section>\n"


def _foot(report: Report) -> Iterator[str]:
    yield (
        f"<footer><p>filter-ban {escape(__version__)}, {_moment(report.made_s)}. User names are masked before they are stored; "
        "of each hour the most frequent networks, names and services are kept, the rest are &ldquo;all others&rdquo;.</p></footer>\n"
    )
