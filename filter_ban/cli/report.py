# SPDX-License-Identifier: ISC
"""``filter-ban report``: what happened in a period."""

import contextlib
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from filter_ban.cli.daemon_client import DaemonClient
from filter_ban.cli.document import Document
from filter_ban.cli.failures import Failure, Unavailable
from filter_ban.cli.health import problems
from filter_ban.cli.options import Command, config_option, json_option
from filter_ban.cli.reading import load, print_json
from filter_ban.config import Config
from filter_ban.config.values import parse_duration
from filter_ban.tally import HOUR_S
from filter_ban.text import excerpt

if TYPE_CHECKING:
    from filter_ban.report.geo import Places
    from filter_ban.report.model import Report
    from filter_ban.report.period import Period

TOP: Final = 10
MAX_TOP: Final = 1000
_MAX_HOST_CHARS: Final = 100


class Span(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.2
    """A length of time such as ``1d``, of an hour at least."""

    name = "span"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return seconds."""
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)
        if seconds < HOUR_S:
            self.fail(f"{value!r}: must be an hour (1h) or more", param, ctx)
        return seconds


_DAY: Final = click.DateTime(formats=["%Y-%m-%d"])


@click.command("report", cls=Command, example="filter-ban report --since 7d --html week.html")
@click.option("--since", type=Span(), help="The last hours or days, such as 24h or 30d (default: 1d).")
@click.option(
    "--from", "first", type=_DAY, metavar="DATE", help="From the beginning of that day, YYYY-MM-DD."
)
@click.option("--to", "last", type=_DAY, metavar="DATE", help="To the end of that day (default: now).")
@click.option("--html", metavar="FILE", help="Write one page of HTML with charts; - is standard output.")
@click.option(
    "--top", type=click.IntRange(1, MAX_TOP), default=TOP, help="So many of each list (default: 10)."
)
@json_option
@config_option
@click.pass_obj
def command(
    config_file: Path | None,
    *,
    since: int | None,
    first: datetime | None,
    last: datetime | None,
    html: str | None,
    top: int,
    as_json: bool,
) -> None:
    """
    Tell what happened in a period: as text for a mail, or as a page with charts.

    It is read from the ledger, whether the daemon runs or not; user names are masked.
    """
    if as_json and html is not None:
        raise click.UsageError("--json and --html exclude each other")
    now_s = time.time()
    period, before = _periods(since, first and first.date(), last and last.date(), now_s)
    config, _ = load(config_file)
    report = _make(config, period, before, now_s, top)
    if as_json:
        print_json(attrs.asdict(report))
    elif html is not None:
        from filter_ban.report import page  # noqa: PLC0415 - when it is wanted

        _write(page.render(report), html)
    else:
        from filter_ban.report import text  # noqa: PLC0415 - when it is wanted

        click.echo(text.render(report, plain=not _is_able(sys.stdout)), nl=False)


def _periods(
    since: int | None, first: date | None, last: date | None, now_s: float
) -> "tuple[Period, Period]":
    from filter_ban.report import period  # noqa: PLC0415 - not for --help

    if first is None:
        if last is not None:
            raise click.UsageError("--to needs --from")
        return period.since(now_s, since or period.DAY_S)
    if since is not None:
        raise click.UsageError("--since and --from exclude each other")
    local = time.localtime(now_s)
    today = date(local.tm_year, local.tm_mon, local.tm_mday)
    try:
        return period.between(first, last or max(first, today), now_s)
    except (ValueError, OverflowError) as error:
        raise click.UsageError(str(error)) from None


def _make(config: Config, period: "Period", before: "Period", now_s: float, top: int) -> "Report":
    from filter_ban.cli.offline import find_ledger  # noqa: PLC0415 - SQLite, not for --help
    from filter_ban.ledger import LedgerError, open_reader  # noqa: PLC0415 - the same
    from filter_ban.report import build, geo, holding  # noqa: PLC0415 - the same

    news = [*_ask_daemon(config)]
    places: AbstractContextManager[Places | None] = nullcontext()
    if config.geo.database is not None:
        try:
            places = geo.open_places(config.geo.database)
        except geo.GeoError as error:
            file = excerpt(str(config.geo.database))
            news.append(f"Countries and systems are left out: geo.database {file}: {error}.")
    try:
        with open_reader(find_ledger(config)) as ledger:
            held = holding.read(ledger, period, before)
    except LedgerError as error:
        raise Unavailable(f"the {error}") from None
    host = excerpt(socket.gethostname(), _MAX_HOST_CHARS)
    with places as look_up:
        return build.build(held, period, before, now_s=now_s, host=host, top=top, places=look_up, news=news)


def _ask_daemon(config: Config) -> Iterator[str]:
    """Have the daemon write what it has counted, where one answers; yield what is wrong with it."""
    try:
        with DaemonClient.find(config) as daemon:
            with contextlib.suppress(Unavailable, Failure):
                daemon.ask_one("flush")
            status: Document = daemon.ask_one("status")
    except Unavailable as unavailable:
        if unavailable.state != "not reachable":
            yield f"Now the daemon is {unavailable.state}."
        return
    except Failure:
        return
    if status.get("mode") == "watch":
        yield "The mode is watch: nobody is refused, and bans are what would have happened."
    for problem in problems(status):
        yield f"Now: {problem}"


def _is_able(stream: Any) -> bool:
    """Return whether *stream* is a terminal that shows more than ASCII."""
    return bool(stream.isatty()) and (stream.encoding or "").lower().replace("-", "") == "utf8"


def _write(page: str, file: str) -> None:
    if file == "-":
        click.echo(page.encode(), nl=False)
        return
    try:
        Path(file).write_text(page, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{excerpt(file)} cannot be written: {error.strerror or error}") from None
