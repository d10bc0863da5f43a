# SPDX-License-Identifier: ISC
"""``filter-ban replay``: what would have happened to past traffic under a configuration."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from filter_ban.cli import wording
from filter_ban.cli.document import Document, part, parts
from filter_ban.cli.failures import Failure
from filter_ban.cli.options import CONFIG_FILE, Command, config_option, json_option
from filter_ban.cli.reading import load, print_json
from filter_ban.replay.report import document
from filter_ban.replay.run import Replay
from filter_ban.replay.traffic import Format, Traffic

MAX_ROWS: Final = 50
_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)
_EARLIEST_YEAR: Final = 1971
_LATEST_YEAR: Final = 9998

# title, key of the summary, how it is written
_SUMMARY: Final = (
    ("guesses", "guesses", wording.count),
    ("stopped by the firewall", "stopped_by_firewall", wording.count),
    ("stopped in the dialogue", "stopped_in_dialogue", wording.count),
    ("bans", "bans", wording.count),
    ("banned clients", "banned_clients", wording.count),
    ("of them logged in later", "innocents", wording.count),
    ("and were refused a login", "innocents_refused", wording.count),
)
_BANS: Final = ("CLIENT", "SINCE (UTC)", "FOR", "RULE", "STRIKES", "OFFENCE", "STOPPED")
_INNOCENTS: Final = ("CLIENT", "USER", "LOGIN (UTC)", "BEFORE", "REFUSED", "LATER", "TIME LOST")


@click.command(
    "replay",
    cls=Command,
    example="filter-ban replay /var/log/mail.log.1 /var/log/mail.log --against new.toml",
)
@click.argument("files", metavar="FILES", type=_FILE, nargs=-1, required=True)
@click.option("--against", type=CONFIG_FILE, help="Another configuration to compare with.")
@click.option(
    "--format",
    "kind",
    type=click.Choice([kind.value for kind in Format]),
    default=Format.AUTO.value,
    show_default=True,
    help="What the files hold; of a log only that server's lines are read.",
)
@click.option(
    "--year",
    type=click.IntRange(_EARLIEST_YEAR, _LATEST_YEAR),
    help="Year of the first line, where lines have none (default: the latest possible).",
)
@json_option
@config_option
@click.pass_obj
def command(
    config_file: Path | None,
    *,
    files: tuple[Path, ...],
    against: Path | None,
    kind: str,
    year: int | None,
    as_json: bool,
) -> None:
    """
    Judge past traffic again, with this configuration or others.

    FILES are recordings (record.path) or logs of OpenSMTPD, Postfix and Dovecot, also compressed; "-" is standard
    input. They are joined in the order of time. Logs do not show passwords: the same wrong one again is counted as a
    guess, other than live.
    """
    configurations = [load(config_file), *([load(against)] if against else [])]
    replays = [(name, Replay(config)) for config, name in configurations]
    traffic = Traffic(files, Format(kind), year)
    try:
        for signal in traffic.signals():
            for _, replay in replays:
                replay.take(signal)
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}") from None
    for _, replay in replays:
        replay.finish()
    found = document(traffic, replays)
    if as_json:
        print_json(found)
        return
    for trouble in traffic.troubles:
        click.echo(f"filter-ban: {wording.printable(trouble)}", err=True)
    click.echo("\n".join(_text(found)))


def _text(found: Document) -> Iterator[str]:
    results = parts(found, "results")
    yield (
        f"{wording.count(found['lines'], 'line')}, {wording.count(found['unknown_lines'])} of them unknown; "
        f"{wording.count(sum(results[0]['signals'].values()), 'signal')}"
    )
    if found["failures_without_address"]:
        yield f"{wording.count(found['failures_without_address'], 'failure')} left out: the log does not say from where"
    yield ""
    yield from wording.columns([*_summary(results)])
    for result in results:
        under = f" under {wording.shown(result['configuration'])}" if len(results) > 1 else ""
        yield from _section(
            f"Bans{under}", _BANS, [_ban_row(ban) for ban in result["bans"][:MAX_ROWS]], len(result["bans"])
        )
        yield from _section(
            f"Banned, and logged in later{under}: innocents, or guesses that were right",
            _INNOCENTS,
            [_innocent_row(innocent) for innocent in result["innocents"][:MAX_ROWS]],
            len(result["innocents"]),
        )


def _summary(results: Sequence[Document]) -> Iterator[list[str]]:
    if len(results) > 1:
        yield ["", *(wording.shown(result["configuration"]) for result in results)]
    summaries = [part(result, "summary") for result in results]
    for title, key, write in _SUMMARY:
        yield [title, *(write(summary[key]) for summary in summaries)]
    yield ["time they lost", *(_time_lost(summary["innocent_seconds_lost"]) for summary in summaries)]


def _section(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], total: int) -> Iterator[str]:
    if not rows:
        return
    yield from ("", title, "")
    yield from wording.columns([head, *rows])
    if total > len(rows):
        yield f"and {total - len(rows):,} more: see --json"


def _ban_row(ban: Document) -> tuple[str, ...]:
    return (
        wording.shown(ban["client"]),
        wording.moment(ban["start"], wording.TO_THE_MINUTE),
        "ever" if ban["end"] is None else wording.span(ban["end"] - ban["start"]),
        wording.shown(ban["rule"]),
        wording.weight(ban["strikes"]),
        wording.shown(ban["offence"]),
        wording.count(ban["stopped"]),
    )


def _innocent_row(innocent: Document) -> tuple[str, ...]:
    return (
        wording.shown(innocent["client"]),
        wording.shown(innocent["user"]),
        wording.moment(innocent["login"], wording.TO_THE_MINUTE),
        wording.count(innocent["logins_before"]),
        wording.count(innocent["logins_refused"]),
        wording.count(innocent["logins_later"]),
        _time_lost(innocent["seconds_lost"]),
    )


def _time_lost(seconds: float | None) -> str:
    return "all" if seconds is None else wording.span(seconds)
