# SPDX-License-Identifier: ISC
"""``filter-ban allow``: let clients in, whatever they do."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from filter_ban.cli import wording
from filter_ban.cli.document import Document, parts
from filter_ban.cli.errand import run_errand
from filter_ban.cli.options import Command, Length, config_option, everywhere_option, json_option
from filter_ban.cli.reading import ask_or_read, load, print_json, warn
from filter_ban.cli.wording import shown
from filter_ban.config import Config

HEAD = ("CLIENT", "SINCE (UTC)", "UNTIL (UTC)", "WHY")


@click.command("allow", cls=Command, example='filter-ban allow --for 30d --reason "customer 4711" 192.0.2.7')
@click.argument("clients", metavar="[CLIENT...]", nargs=-1)
@click.option(
    "--for", "length_s", type=Length(), metavar="LENGTH", help='"2h", "7d", or "forever" (the default).'
)
@click.option("--reason", default="", help="Why, in words; kept with it.")
@click.option("--remove", is_flag=True, help="Let them in no more; what they do counts again.")
@everywhere_option
@json_option
@config_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    clients: tuple[str, ...],
    length_s: int | None,
    reason: str,
    remove: bool,
    everywhere: bool | None,
    as_json: bool,
) -> None:
    """
    Let addresses and prefixes in, whatever they do.

    They are not counted and not banned, and their bans end. Without CLIENT: who is let in. What belongs into
    the configuration for good is never.networks. CLIENT "-" reads one a line from standard input.
    """
    config, _ = load(ctx.obj)
    if not clients:
        _list(config, as_json=as_json)
        return
    errand = "disallow" if remove else "allow"
    options = {} if remove else {"length": length_s, "reason": reason}
    ctx.exit(
        run_errand(errand, config, clients, _sentence, as_json=as_json, everywhere=everywhere, **options)
    )


def _list(config: Config, *, as_json: bool) -> None:
    def read(path: Path) -> list[Document]:
        from filter_ban.cli.offline import allowed_documents  # noqa: PLC0415 - SQLite is needed without a daemon only

        return allowed_documents(path, time.time())

    allowed, unavailable = ask_or_read(
        config, lambda daemon: parts(daemon.ask_one("allowed"), "allowed"), read
    )
    if as_json:
        print_json({"source": "ledger" if unavailable else "daemon", "allowed": allowed})
        return
    warn(unavailable)
    click.echo("\n".join(table(allowed, time.time())) if allowed else "nobody is let in by hand")


def table(allowed: Sequence[Document], now_s: float) -> Iterator[str]:
    """Yield who is let in as the lines of a table; where one of them is so on this node alone, that is told."""
    rows = [HEAD, *(_row(one, now_s) for one in allowed)]
    if any(one.get("here") for one in allowed):
        places = ["NODES", *("here only" if one.get("here") else "all" for one in allowed)]
        rows = [(*row[:-1], place, row[-1]) for row, place in zip(rows, places, strict=True)]
    return wording.columns(rows)


def _row(one: Document, now_s: float) -> tuple[str, ...]:
    until = wording.until(one.get("until"), now_s, wording.TO_THE_MINUTE)
    return (
        shown(one.get("client")),
        wording.since(one.get("since"), now_s, wording.TO_THE_MINUTE),
        "taken out" if one.get("until") is None else until,
        shown(one.get("reason")),
    )


def _sentence(result: Document) -> str:
    client = shown(result.get("client"))
    if result.get("outcome") != "allowed":
        return f"{client} is let in by hand no more"
    until = result.get("until")
    end = "" if until is None else f" until {wording.until(until, time.time())}"
    return f"{client} is let in{end}, whatever it does"
