# SPDX-License-Identifier: ISC
"""``filter-ban list``: who is banned."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from filter_ban.cli import wording
from filter_ban.cli.daemon_client import DaemonClient
from filter_ban.cli.document import Document, parts
from filter_ban.cli.options import Command, config_option, json_option
from filter_ban.cli.reading import ask_or_read, load, print_json, warn

HEAD = ("CLIENT", "SINCE (UTC)", "UNTIL (UTC)", "RULE", "OFFENCE", "REFERENCE", "FIREWALL", "DROPPED")


@click.command("list", cls=Command, example="filter-ban list --json | jq -r '.bans[].client'")
@json_option
@config_option
@click.pass_obj
def command(config_file: Path | None, *, as_json: bool) -> None:
    """List the active bans, newest first."""
    config, _ = load(config_file)
    bans, unavailable = ask_or_read(config, _ask, _read)
    if as_json:
        print_json({"source": "ledger" if unavailable else "daemon", "bans": bans})
        return
    warn(unavailable)
    if not bans:
        click.echo("nobody is banned")
        return
    click.echo("\n".join(table(bans, time.time())))


def _ask(daemon: DaemonClient) -> list[Document]:
    return [ban for answer in daemon.ask("list") for ban in parts(answer, "bans")]


def _read(path: Path) -> list[Document]:
    from filter_ban.cli.offline import list_documents  # noqa: PLC0415 - SQLite is needed without a daemon only

    return list_documents(path, time.time())


def table(bans: Sequence[Document], now_s: float) -> Iterator[str]:
    """
    Yield *bans* as the lines of a table. A hundred thousand take a second, hence no rich.

    Which node decided is told where one of them is another's, or holds here only.
    """
    rows = [HEAD, *(_row(ban, now_s) for ban in bans)]
    if wording.tells_nodes(bans):
        nodes = ["NODE", *map(wording.node, bans)]
        rows = [(*row, node) for row, node in zip(rows, nodes, strict=True)]
    return wording.columns(rows)


def _row(ban: Document, now_s: float) -> tuple[str, ...]:
    return (
        wording.shown(ban.get("client")),
        wording.since(ban.get("start"), now_s, wording.TO_THE_MINUTE),
        wording.until(ban.get("end"), now_s, wording.TO_THE_MINUTE),
        wording.shown(ban.get("rule")),
        wording.shown(ban.get("offence")),
        wording.shown(ban.get("reference")),
        wording.enforcement(ban.get("enforcement")),
        wording.count(ban.get("dropped")),
    )
