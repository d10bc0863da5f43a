# SPDX-License-Identifier: ISC
"""``filter-ban watch``: the live view. What a screen is made of is loaded when the command runs."""

import click

from filter_ban.cli.options import Command, config_option, json_option
from filter_ban.cli.reading import load


@click.command("watch", cls=Command, example="filter-ban watch")
@click.option("--once", is_flag=True, help="Print what there is to see now, and leave.")
@json_option
@config_option
@click.pass_context
def command(ctx: click.Context, *, once: bool, as_json: bool) -> None:
    """
    Watch attacks, bans and the health of every part, live.

    Keys: arrows or j k choose a client, b bans it, l lifts its ban, a allows it, e explains, ? has them all,
    q quits. Where there is no terminal, prints the view once. Exit status 69: no daemon answers.
    """
    from filter_ban.cli.watch.main import run  # noqa: PLC0415 - rich is needed here only

    config, _ = load(ctx.obj)
    run(config, once=once, as_json=as_json)
