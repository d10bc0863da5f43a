# SPDX-License-Identifier: ISC
"""``filter-ban lift``: end bans."""

import click

from filter_ban.cli.document import Document
from filter_ban.cli.errand import run_errand
from filter_ban.cli.options import BannedClient, Command, config_option, everywhere_option, json_option
from filter_ban.cli.reading import load
from filter_ban.cli.wording import count, shown


@click.command("lift", cls=Command, example="filter-ban lift 192.0.2.7")
@click.argument("clients", metavar="CLIENT...", type=BannedClient(), nargs=-1, required=True)
@everywhere_option
@json_option
@config_option
@click.pass_context
def command(ctx: click.Context, *, clients: tuple[str, ...], everywhere: bool | None, as_json: bool) -> None:
    """
    End the bans of addresses and prefixes.

    CLIENT "-" reads one a line from standard input; blank lines and # comments are skipped. They are
    let in again at once, by the firewall too. Exit status 1: one of them was not banned.
    """
    config, _ = load(ctx.obj)
    ctx.exit(run_errand("lift", config, clients, _sentence, as_json=as_json, everywhere=everywhere))


def _sentence(result: Document) -> str:
    client, bans = shown(result.get("client")), result.get("bans")
    inside = [shown(ban) for ban in bans if ban != result.get("client")] if isinstance(bans, list) else []
    lifted = result.get("lifted")
    if isinstance(bans, list) and isinstance(lifted, int) and lifted > len(bans):
        inside.append(f"and {count(lifted - len(bans))} more")
    return f"{client} is no longer banned" + (f" (lifted: {', '.join(inside)})" if inside else "")
