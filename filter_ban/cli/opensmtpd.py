# SPDX-License-Identifier: ISC
"""
``filter-ban opensmtpd``: the relay, for the help text.

The console script goes to :mod:`filter_ban.relay` at once where this is its first argument; only ``filter-ban --config FILE
opensmtpd`` comes here, and starts that anew, so that the relay stays small.
"""

import os
import sys

import click

from filter_ban.cli.options import Command, config_option


@click.command("opensmtpd", cls=Command, example='filter "ban" proc-exec "filter-ban opensmtpd"')
@click.option("--log-json", is_flag=True, help="Log a JSON object a line, whatever log.form says.")
@config_option
@click.pass_context
def command(ctx: click.Context, *, log_json: bool) -> None:
    """
    Connect smtpd with the daemon; smtpd starts this.

    It answers smtpd in time whatever the daemon does, and starts a daemon when none runs.
    """
    options = [] if ctx.obj is None else ["--config", os.fspath(ctx.obj)]
    options += ["--log-json"] if log_json else []
    os.execv(sys.executable, [sys.executable, "-m", "filter_ban", "opensmtpd", *options])  # noqa: S606 - no shell, by design
