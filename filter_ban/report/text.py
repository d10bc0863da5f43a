# SPDX-License-Identifier: ISC
"""A report as text for a mail: 72 columns, plain ASCII unless more is wished for."""

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Final

from filter_ban.ledger.mask import CUT
from filter_ban.report import words
from filter_ban.report.model import Ranking, Report, Row, Total
from filter_ban.text import escape

WIDTH: Final = 72
_NAME_CHARS: Final = 36
_BAR_CHARS: Final = 16
_ASCII_LEVELS: Final = " .:-=+*#%@"
_LEVELS: Final = " ▁▂▃▄▅▆▇█"
_ASCII_BAR, _BAR = "#", "█"


def render(report: Report, *, plain: bool) -> str:
    """Return *report* as lines; *plain*: in ASCII."""
    lines = (line.rstrip() for line in _lines(report, plain=plain))
    text = "".join(f"{line if line.isprintable() else escape(line)}\n" for line in lines)
    return _to_ascii(text) if plain else text


def _to_ascii(text: str) -> str:
    return text.replace(CUT, "...").encode("ascii", "backslashreplace").decode()


def _lines(report: Report, *, plain: bool) -> Iterator[str]:
    period = (
        f"{words.moment(report.start_s)} to {words.moment(report.end_s)} {words.zone(report.end_s)}".rstrip()
    )
    if report.is_empty:
        logins = f"; {words.number(report.logins.now)} logins" if report.logins.now else ""
        yield f"filter-ban on {report.host}: nothing happened from {period}{logins}"
        yield from _notes(report.notes)
        return
    yield f"filter-ban on {report.host}"
    yield period
    yield from _notes(report.notes)
    yield ""
    yield from _totals(report)
    yield from _times(report, plain=plain)
    rankings: tuple[tuple[str, Ranking | None], ...] = (
        ("Networks, by failed logins", report.networks),
        ("Countries", report.countries),
        ("Autonomous systems", report.systems),
        ("User names attacked", report.users),
        ("Services", report.services),
        ("What was seen", report.kinds),
    )
    for title, ranking in rankings:
        if ranking is not None and ranking.total:
            yield from _section(title, _ranked(ranking), ranking.total, plain=plain)
    yield from _bans(report, plain=plain)
    if len(report.backends.rows) > 1:
        yield from _section(
            "Packets dropped, by firewall", report.backends.rows, report.dropped.now, plain=plain
        )


def _notes(notes: list[str]) -> Iterator[str]:
    if notes:
        yield ""
    for note in notes:
        yield from wrap(note, WIDTH, initial_indent="!! ", subsequent_indent="   ")


def _totals(report: Report) -> Iterator[str]:
    rows: tuple[tuple[str, Total], ...] = (
        ("failed logins that counted", report.failures),
        ("  repeats and the like that did not", report.uncounted),
        ("commands refused", report.refused),
        ("packets dropped by the firewall", report.dropped),
        ("bans", report.bans),
        ("  of these by hand", report.banned_by_hand),
        ("false alarms, lifted by the operator", report.lifted),
        ("logins", report.logins),
    )
    if report.failures.before is None:
        yield from (f"{name:36}{words.number(total.now):>12}" for name, total in rows if total.now)
        return
    yield f"{'':36}{'now':>12}{'before':>12}{'change':>12}"
    for name, total in rows:
        if total.now or total.before:
            before = words.number(total.before or 0)
            yield (
                f"{name:36}{words.number(total.now):>12}{before:>12}{words.change(total.now, total.before):>12}"
            )


def _times(report: Report, *, plain: bool) -> Iterator[str]:
    counts = [one.failures for one in report.bins]
    highest = max(counts, default=0)
    if not highest:
        return
    yield ""
    yield f"Failed logins over time (a column is {words.a(report.step)}, the highest {words.number(highest)})"
    levels = _ASCII_LEVELS if plain else _LEVELS
    yield f"  |{''.join(_level(count, highest, levels) for count in counts)}|"
    rows = [
        Row(words.moment(one.start_s), one.failures)
        for one in sorted(report.busiest, key=lambda one: -one.failures)
    ]
    yield from _section("Busiest hours, by failed logins", rows, report.failures.now, plain=plain)


def _level(count: int, highest: int, levels: str) -> str:
    """Return the character for *count*; only nothing is blank."""
    return levels[-(-count * (len(levels) - 1) // highest)]


def _ranked(ranking: Ranking) -> list[Row]:
    others = [Row("all others", ranking.others)] if ranking.others else []
    return [*ranking.rows, *others]


def _section(title: str, rows: Sequence[Row], total: int, *, plain: bool) -> Iterator[str]:
    highest = max((row.number for row in rows), default=0)
    yield ""
    yield title
    for row in rows:
        name = f"{row.name}  {row.about}" if row.about else row.name
        name = _to_ascii(name) if plain else name
        shown = name if len(name) <= _NAME_CHARS else name[: _NAME_CHARS - 1] + ("~" if plain else CUT)
        bar = (_ASCII_BAR if plain else _BAR) * -(-row.number * _BAR_CHARS // highest if highest else 0)
        yield f"  {shown:{_NAME_CHARS}}{words.number(row.number):>10}{words.share(row.number, total):>5}  {bar}"


def _bans(report: Report, *, plain: bool) -> Iterator[str]:
    if not report.bans.now:
        return
    yield from _section("Bans, by rule", _ranked(report.rules), report.rules.total, plain=plain)
    lengths, taken = report.lengths, report.time_to_ban
    if lengths.total:
        texts = ", ".join(f"{words.number(row.number)} of {row.name}" for row in lengths.rows)
        yield ""
        yield from wrap(f"Length: {texts}.", WIDTH)
    if taken.median_s is not None:
        rows = [row for row in taken.rows if row.number]
        title = (
            f"Time to ban, from the first failure that counted: half within {words.length(taken.median_s)}"
        )
        yield from _section(title, rows, taken.known, plain=plain)
        if report.bans.now > taken.known:
            yield f"  (of those bans whose failures the ledger has: {words.number(taken.known)})"
