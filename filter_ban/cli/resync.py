# SPDX-License-Identifier: ISC
"""``filter-ban resync``: make the firewall's table equal the active bans, now."""

from pathlib import Path

import click

from filter_ban.cli.daemon_client import DaemonClient
from filter_ban.cli.document import Document
from filter_ban.cli.failures import Failure
from filter_ban.cli.options import Command, config_option
from filter_ban.cli.reading import load
from filter_ban.cli.wording import count, shown

SILENCE_S = 60.0  # a firewall tool may be slow with large tables


@click.command("resync", cls=Command, example="nft -f /etc/nftables.conf && filter-ban resync")
@config_option
@click.pass_obj
def command(config_file: Path | None) -> None:
    """
    Make the firewall's table equal the active bans.

    That is done every minute anyway; call it where something else has just replaced the rules. Prints what was
    found and repaired.
    """
    config, _ = load(config_file)
    with DaemonClient.find(config) as daemon:
        report = daemon.ask_one("resync", silence_s=SILENCE_S)
    click.echo(_found(report))
    if not report.get("ok"):
        raise Failure(f"the firewall's table is not as it should be: {shown(report.get('problem'))}")
    if report.get("rule_present") is False:
        raise Failure("the table is as it should be, but no rule of the firewall uses it")


def _found(report: Document) -> str:
    missing, foreign = report.get("missing"), report.get("foreign")
    if not missing and not foreign:
        return "nothing was missing"
    return f"{count(missing or 0)} missing put back, {count(foreign or 0)} foreign removed"
