# SPDX-License-Identifier: ISC
"""``filter-ban reload``: have the daemon read its configuration again."""

from pathlib import Path

import click

from filter_ban.cli.daemon_client import DaemonClient
from filter_ban.cli.failures import Misconfigured
from filter_ban.cli.options import Command, config_option
from filter_ban.cli.reading import load
from filter_ban.cli.wording import shown

SILENCE_S = 60.0
CONSEQUENCE = "The daemon goes on with the configuration that it has."


@click.command("reload", cls=Command, example="filter-ban check && filter-ban reload")
@config_option
@click.pass_obj
def command(config_file: Path | None) -> None:
    """
    Have the daemon read its configuration again.

    No count, no ban and no answer is lost; SIGHUP does the same. A wrong configuration leaves the old one in
    force, exit status 78. What only holds after a restart is named.
    """
    try:
        config, _ = load(config_file)
    except Misconfigured as wrong:
        raise Misconfigured(f"{wrong.message}\n{CONSEQUENCE}") from None
    with DaemonClient.find(config) as daemon:
        answer = daemon.ask_one("reload", silence_s=SILENCE_S)
    if answer.get("problem"):
        raise Misconfigured(f"{answer['problem']}\n{CONSEQUENCE}")
    changed = answer.get("changed")
    keys = changed if isinstance(changed, dict) else {}
    now = [shown(key) for key, restart in keys.items() if not restart]
    click.echo(f"{shown(answer.get('file'))} is in force" + (f": {', '.join(now)}" if now else ""))
    for program in sorted({str(restart) for restart in keys.values() if restart}):
        pending = ", ".join(shown(key) for key, restart in keys.items() if restart == program)
        click.echo(f"after a restart of {shown(program)}: {pending}")
