# SPDX-License-Identifier: ISC
"""``filter-ban serve``: the daemon."""

import os
import sys

import click

from filter_ban.cli.options import Command, config_option


@click.command("serve", cls=Command, example="filter-ban serve --config /etc/filter-ban.toml")
@click.option("--log-json", is_flag=True, help="Log a JSON object a line, whatever log.form says.")
@config_option
@click.pass_context
def command(ctx: click.Context, *, log_json: bool) -> None:
    """
    Run the daemon in the foreground, until SIGTERM.

    It counts failed logins, answers the relays of smtpd and keeps bans in ledger and firewall. Start it as root: only the
    firewall commands keep that, all else runs as daemon.user. Its log goes to stderr; docs/log.md explains each line.

    Exit status: 0 stopped, or one runs already; 69 the machine does not let it; 78 the configuration is wrong.
    """
    sys.stdout.flush()
    options = [] if ctx.obj is None else ["--config", os.fspath(ctx.obj)]
    options += ["--log-json"] if log_json else []
    # In this form, see filter_ban.__main__, it never loads the command line: it runs for months.
    os.execv(sys.executable, [sys.executable, "-m", "filter_ban", "serve", *options])  # noqa: S606 - no shell, by design
