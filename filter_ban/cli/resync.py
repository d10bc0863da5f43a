# SPDX-License-Identifier: ISC
"""``filter-ban resync``: make the firewall's table equal the active bans, now."""

from collections.abc import Iterator
from pathlib import Path

import click

from filter_ban.cli.daemon_client import DaemonClient
from filter_ban.cli.document import Document, parts
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
    backends = parts(report, "backends")
    for backend in backends:
        click.echo(f"{shown(backend.get('backend'))}: {_found(backend)}")
    wrong = [f"{shown(backend.get('backend'))}: {why}" for backend in backends for why in _wrong(backend)]
    if wrong:
        raise Failure("; ".join(wrong))


def _wrong(backend: Document) -> Iterator[str]:
    if not backend.get("ok"):
        yield f"the table is not as it should be: {shown(backend.get('problem'))}; see filter-ban doctor firewall"
    elif backend.get("rule_present") is False:
        yield "the table is as it should be, but no rule of the firewall uses it"


def _found(backend: Document) -> str:
    missing, foreign = backend.get("missing"), backend.get("foreign")
    if not missing and not foreign:
        return "nothing was missing"
    return f"{count(missing or 0)} missing put back, {count(foreign or 0)} foreign removed"
