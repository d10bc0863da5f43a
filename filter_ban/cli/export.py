# SPDX-License-Identifier: ISC
"""``filter-ban export``: the active bans, for other programs."""

import contextlib
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import click

from filter_ban.cli.daemon_client import DaemonClient
from filter_ban.cli.document import Document, parts
from filter_ban.cli.failures import Failure, Unavailable
from filter_ban.cli.options import Command, config_option
from filter_ban.cli.reading import load, warn
from filter_ban.cli.wording import count
from filter_ban.client import ClientKey, key_text
from filter_ban.config import Config
from filter_ban.exchange import formats, target
from filter_ban.exchange.banned import Banned

OMITTED_SHOWN = 5


@click.command("export", cls=Command, example="filter-ban export --format cidr -o /etc/postfix/banned.cidr")
@click.option(
    "--format", "form", type=click.Choice(formats.EXPORTED), default="plain", help="By default plain."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Replace FILE at one stroke; by default print.",
)
@click.option(
    "--all", "everybody", is_flag=True, help="For pf and nft: also who is banned in the dialogue only."
)
@config_option
@click.pass_obj
def command(config_file: Path | None, *, form: str, output: Path | None, everybody: bool) -> None:
    """
    Write the active bans in a format of other programs, newest first.

    They come from the daemon, or from the ledger while none answers. filter-ban import reads all of these
    formats; json, csv and nft keep the ends.
    """
    config, _ = load(config_file)
    omitted: list[ClientKey] = []
    with contextlib.closing(active_bans(config)) as documents:
        bans = _parsed(documents)
        if form in formats.FOR_FIREWALLS and not everybody:
            bans = (each for each in bans if each.ban.firewall)
        text = formats.write_bans(
            bans, form, now_s=int(time.time()), reply=config.reply.banned, omitted=omitted
        )
        _put(text, output)
    if omitted:
        shown = ", ".join(map(key_text, omitted[:OMITTED_SHOWN])) + (", …" if omitted[OMITTED_SHOWN:] else "")
        click.echo(
            f"filter-ban: {count(len(omitted), 'ban')} left out: {form} has no key for {shown}; cidr has",
            err=True,
        )


def _put(text: Iterator[str], output: Path | None) -> None:
    if output is None:
        target.write(text, sys.stdout.buffer)
        return
    try:
        target.replace(output, text)
    except target.ExportFault as fault:
        raise Failure(str(fault)) from None


def active_bans(config: Config) -> Generator[Document, None, None]:
    """
    Yield the active bans as documents, while they come.

    Raises:
        Failure: the daemon refuses.
        Unavailable: neither daemon nor ledger can be used, or the daemon went away in between.

    """
    begun = False
    try:
        with DaemonClient.find(config) as daemon:
            for answer in daemon.ask("list"):
                begun = True
                yield from parts(answer, "bans")
    except Unavailable as unavailable:
        if begun:
            raise
        yield from _recorded(config, unavailable)


def _recorded(config: Config, unavailable: Unavailable) -> list[Document]:
    from filter_ban.cli.offline import find_ledger, list_documents  # noqa: PLC0415 - SQLite is needed without a daemon only
    from filter_ban.ledger import LedgerError  # noqa: PLC0415 - the same

    try:
        documents = list_documents(find_ledger(config), time.time())
    except LedgerError as error:
        raise Unavailable(f"{unavailable.message}\nand the {error}") from None
    warn(unavailable)
    return documents


def _parsed(documents: Iterator[Document]) -> Iterator[Banned]:
    for document in documents:
        try:
            yield Banned.parse(document)
        except ValueError as error:
            raise Unavailable(
                f"the daemon told of a ban that is none: {error}; is it of another version?"
            ) from None
