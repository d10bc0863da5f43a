# SPDX-License-Identifier: ISC
"""``filter-ban serve``: the daemon."""

import os
import sys

import click

from filter_ban.cli.options import Command, config_option


@click.command("serve", cls=Command, example="filter-ban serve --config /etc/filter-ban.toml")
@config_option
@click.pass_context
def command(ctx: click.Context) -> None:
    """
    Run the daemon in the foreground, until SIGTERM.

    It counts failed logins, answers the relays of smtpd and keeps bans in ledger and firewall. Start it as root: only the
    firewall commands keep that, all else runs as daemon.user. Its log goes to stderr.
    """
    sys.stdout.flush()
    options = [] if ctx.obj is None else ["--config", os.fspath(ctx.obj)]
    # In this form, see filter_ban.__main__, it never loads the command line: it runs for months.
    os.execv(sys.executable, [sys.executable, "-m", "filter_ban", "serve", *options])  # noqa: S606 - no shell, by design
