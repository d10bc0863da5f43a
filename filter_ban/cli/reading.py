# SPDX-License-Identifier: ISC
"""Read commands: answered by the daemon, or from the ledger alone where none answers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from filter_ban.cli.daemon_client import DaemonClient
from filter_ban.cli.document import Document
from filter_ban.cli.failures import Misconfigured, Unavailable
from filter_ban.cli.wording import printable
from filter_ban.config import Config, ConfigError, load_config

if TYPE_CHECKING:
    from filter_ban.ledger import LedgerError

Answer = TypeVar("Answer")


def load(config_file: Path | None) -> tuple[Config, str]:
    """
    Return the configuration and the name of its file.

    Raises:
        Misconfigured: it cannot be used.
    """
    try:
        config, file, _ = load_config(config_file)
    except ConfigError as error:
        raise Misconfigured(f"the configuration cannot be used\n{error}") from None
    return config, file


def ask_or_read(
    config: Config, ask: Callable[[DaemonClient], Answer], read: Callable[[Path], Answer]
) -> tuple[Answer, Unavailable | None]:
    """
    Return the daemon's answer, or what the ledger says and why there is no daemon's.

    Args:
        config: Says where both are.
        ask: Asks a daemon.
        read: Reads the ledger at a path.

    Raises:
        Failure: the daemon refuses.
        Unavailable: neither daemon nor ledger can be used.
    """
    try:
        with DaemonClient.find(config) as daemon:
            return ask(daemon), None
    except Unavailable as unavailable:
        from filter_ban.cli.offline import find_ledger  # noqa: PLC0415 - SQLite is needed without a daemon only
        from filter_ban.ledger import LedgerError  # noqa: PLC0415 - the same

        try:
            return read(find_ledger(config)), unavailable
        except LedgerError as error:
            raise neither(unavailable, error) from None


def neither(unavailable: Unavailable, error: "LedgerError") -> Unavailable:
    """Return what to say where no daemon answers and the ledger cannot be read: both, and what to do about the second."""
    from filter_ban.ledger.errors import Trouble  # noqa: PLC0415 - as above

    remedies = {
        Trouble.ABSENT: "is ledger.path the daemon's? It comes with the first start of one",
        Trouble.LOCKED: "try again, or end what has it open",
        Trouble.CORRUPT: "the next daemon sets it aside and begins a new one",
        Trouble.READ_ONLY: "try again as root",
    }
    remedy = remedies.get(error.trouble, "")
    return Unavailable(f"{unavailable.message}\nand the {error}" + (f"; {remedy}" if remedy else ""))


def warn(unavailable: Unavailable | None) -> None:
    """Say on stderr that what is shown comes from the ledger alone, where that is so."""
    if unavailable is not None:
        click.echo(f"filter-ban: {printable(unavailable.message)}\nThis is what the ledger says:", err=True)


def print_json(document: Document) -> None:
    """Print one JSON document, in ASCII, so that it does no harm to a terminal."""
    click.echo(json.dumps(document, indent=2))
