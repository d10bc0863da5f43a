# SPDX-License-Identifier: ISC
"""``filter-ban import``: take over the bans of others."""

import sys
import time

import click

from filter_ban.cli.failures import Exit, Failure
from filter_ban.cli.options import Command, Length, config_option, json_option
from filter_ban.cli.reading import load, print_json
from filter_ban.cli.takeover import Takeover, complain
from filter_ban.cli.wording import count, shown
from filter_ban.exchange import blocklistd, formats, translation
from filter_ban.exchange.holding import ImportFault
from filter_ban.exchange.source import Content, fetch
from filter_ban.firewall.runner import Runner


@click.command(
    "import", cls=Command, example="filter-ban import --dry-run /var/lib/fail2ban/fail2ban.sqlite3"
)
@click.argument("source")
@click.option(
    "--format",
    "form",
    type=click.Choice(formats.FORMATS),
    metavar="FORMAT",
    help="By default found by looking.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would become of each.")
@click.option(
    "--for", "length_s", type=Length(), metavar="LENGTH", help="For bans without an end (default: forever)."
)
@click.option("--yes", is_flag=True, help="Do not ask at a terminal.")
@json_option
@config_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    source: str,
    form: str | None,
    dry_run: bool,
    length_s: int | None,
    yes: bool,
    as_json: bool,
) -> None:
    """
    Take over bans that others have made.

    SOURCE is a file (such as fail2ban's database), "-", or what a firewall holds: pf:TABLE, ipset:NAME or
    "nft:FAMILY TABLE SET". Of a blocklistd.conf, the configuration that does the same is printed.
    """
    try:
        content = fetch(source, sys.stdin.buffer, Runner())
        form = form or formats.recognise(content)
        if form == formats.BLOCKLISTD:
            ctx.exit(_translate(content, as_json=as_json))
        now_s = int(time.time())
        holding = formats.read_bans(content, form, now_s)
    except ImportFault as fault:
        raise Failure(str(fault)) from None
    config, _ = load(ctx.obj)
    if holding.entries and not (yes or dry_run) and is_terminal():
        click.confirm(f"Ban {count(len(holding.entries), 'client')} of {shown(holding.origin)}?", abort=True)
    end_s = None if length_s is None else now_s + length_s
    ctx.exit(Takeover(holding, end_s, dry_run=dry_run, as_json=as_json).run(config))


def is_terminal() -> bool:
    """Return whether somebody can be asked."""
    return sys.stdin.isatty()


def _translate(content: Content, *, as_json: bool) -> Exit:
    rules = blocklistd.parse(formats.text_of(content))
    text = translation.translate(rules, content.origin)
    complain(rules.faults)
    if as_json:
        faults = [{"place": fault.place, "why": fault.why} for fault in rules.faults]
        print_json({"configuration": text, "faults": faults})
    else:
        click.echo(text, nl=False)
    return Exit.REFUSED if rules.faults else Exit.DONE
