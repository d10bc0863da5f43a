# SPDX-License-Identifier: ISC
"""``filter-ban demo``: see it at work, without a mail server and without root."""

import click

from filter_ban.cli.options import Command


@click.command("demo", cls=Command, example="filter-ban demo")
@click.option("--stay", is_flag=True, help="Keep the server running for tries by hand.")
@click.pass_context
def command(ctx: click.Context, *, stay: bool) -> None:
    """
    Show how a guesser is banned and an honest user is not.

    Runs on loopback and ends by itself in under 20 seconds. Needs no root and changes nothing on this machine.
    """
    from filter_ban.demo.main import run  # noqa: PLC0415 - loads what no other command needs

    ctx.exit(run(stay))
