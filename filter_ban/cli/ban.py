# SPDX-License-Identifier: ISC
"""``filter-ban ban``: ban by hand."""

import time

import click

from filter_ban.cli import wording
from filter_ban.cli.document import Document
from filter_ban.cli.errand import run_errand
from filter_ban.cli.options import Command, Length, config_option, everywhere_option, json_option
from filter_ban.cli.reading import load
from filter_ban.cli.wording import shown


@click.command(
    "ban", cls=Command, example='filter-ban ban --for 7d --reason "guesses all day" 192.0.2.7 2001:db8:1::/48'
)
@click.argument("clients", metavar="CLIENT...", nargs=-1, required=True)
@click.option(
    "--for", "length_s", type=Length(), metavar="LENGTH", help='"2h", "7d", or "forever" (the default).'
)
@click.option("--reason", default="", help="Why, in words; kept with the ban.")
@click.option("--force", is_flag=True, help="Also prefixes wider than never.widest, in the dialogue only.")
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
    force: bool,
    everywhere: bool | None,
    as_json: bool,
) -> None:
    """
    Ban addresses and prefixes by hand.

    CLIENT "-" reads one a line from standard input; blank lines and # comments are skipped. A ban lasts
    until lifted, unless --for says how long; no ban is ever shortened.
    """
    config, _ = load(ctx.obj)
    options = {"length": length_s, "reason": reason, "force": force}
    ctx.exit(run_errand("ban", config, clients, _sentence, as_json=as_json, everywhere=everywhere, **options))


def _sentence(result: Document) -> str:
    end = wording.until(result.get("end"), time.time())
    match result.get("outcome"):
        case "banned":
            what = f"banned until {end}"
        case "extended":
            what = f"was banned already, now until {end}"
        case "unchanged":
            what = f"stays banned until {end} (lift it first to make that shorter)"
        case other:
            what = shown(other)
    return f"{shown(result.get('client'))} {what}, reference {shown(result.get('reference'))}"
