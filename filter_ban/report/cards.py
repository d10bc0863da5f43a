# SPDX-License-Identifier: ISC
"""The cards of a report's page: charts, rankings, and the numbers behind them. Foreign text is escaped here."""

from collections.abc import Sequence
from html import escape

from filter_ban.report import words
from filter_ban.report.charts import Column, bar, drawing
from filter_ban.report.model import Ranking, Row, TimeToBan


def chart(name: str, title: str, about: str, columns: Sequence[Column], below: str) -> str:
    """Return a chart of *columns*, with what stands *below* them; nothing to show is told as such."""
    total, highest = sum(one.value for one in columns), max(one.value for one in columns)
    if not highest:
        return _figure(name, title, about, '<p class="none">none in this period</p>')
    peak = next(one for one in columns if one.value == highest)
    description = f"{words.number(total)} in all, at most {words.number(highest)}: {peak.label}"
    drawn = drawing(name, columns, title=f"{title} {about}", description=description)
    return _figure(name, title, about, f'<div class="plot">{drawn}{below}</div>')


def time_to_ban(taken: TimeToBan, bans: int) -> str:
    """Return the distribution of the time to ban, its numbers below; of *bans* there were so many."""
    name, title, about = "taken", "Time to ban", "from the first failure that counted"
    if taken.median_s is None:
        return _figure(name, title, about, '<p class="none">not known for any ban</p>')
    description = f"Half of {words.number(taken.known)} bans within {words.length(taken.median_s)}."
    unknown = bans - taken.known
    rest = f" Of {words.number(unknown)} more the ledger has no failures." if unknown > 0 else ""
    columns = [Column(row.name, row.number) for row in taken.rows]
    drawn = drawing(name, columns, title=f"{title} {about}", description=description)
    head = "".join(f'<th scope="col">{escape(row.name)}</th>' for row in taken.rows)
    cells = "".join(f"<td>{words.number(row.number)}</td>" for row in taken.rows)
    below = f'<table class="below"><tr>{head}</tr><tr>{cells}</tr></table>'
    remark = f'<p class="remark">{description}{rest}</p>'
    return _figure(name, title, about, f'<div class="plot">{drawn}{below}</div>{remark}')


def _figure(name: str, title: str, about: str, content: str) -> str:
    caption = f"<figcaption><h3>{title}</h3><p>{about}</p></figcaption>"
    return f'<figure class="chart {name}">{caption}{content}</figure>\n'


def ranking(name: str, title: str, about: str, ranked: Ranking) -> str:
    """Return a table whose rows have bars; all others come last."""
    others = Row("all others", ranked.others)
    highest = max((row.number for row in (*ranked.rows, others)), default=0)
    lines = "".join(_row(row, highest, ranked.total) for row in ranked.rows)
    if others.number:
        lines += _row(others, highest, ranked.total, kind=' class="others"')
    caption = f"<caption><h3>{title}</h3><p>{about}</p></caption>"
    content = lines or '<tr><td class="none">none in this period</td></tr>'
    return f'<table class="ranking {name}">{caption}<tbody>{content}</tbody></table>\n'


def _row(row: Row, highest: int, total: int, kind: str = "") -> str:
    about = f" <small>{escape(row.about)}</small>" if row.about else ""
    return (
        f'<tr{kind}><th scope="row"><span>{escape(row.name)}{about}</span>{bar(row.number, highest)}</th>'
        f"<td>{words.number(row.number)}</td><td>{words.share(row.number, total)}</td></tr>"
    )


def numbers(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table that opens when it is wanted."""
    cells = "".join(f'<th scope="col">{name}</th>' for name in head)
    lines = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{value}</td>" for value in values)}</tr>'
        for name, *values in rows
    )
    return (
        f'<details><summary>{title}</summary><div class="wide"><table class="numbers">'
        f"<thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table></div></details>\n"
    )
