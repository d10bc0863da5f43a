# SPDX-License-Identifier: ISC
"""How a command can fail: each way has its exit status. A message says what, where, why and what to do."""

import enum
from typing import IO, Any

import click

from filter_ban.cli.wording import printable


class Exit(enum.IntEnum):
    """Exit status of the command line; 69 and 78 as in sysexits(3)."""

    DONE = 0
    REFUSED = 1  # or not found
    USAGE = 2
    UNAVAILABLE = 69
    CONFIGURATION = 78


class Failure(click.ClickException):
    """A command that was not done; the command line prints the message and exits with ``exit_code``."""

    exit_code = Exit.REFUSED

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message on stderr."""
        click.echo(f"filter-ban: {printable(self.message)}", file=file, err=True)


class Unavailable(Failure):
    """No daemon answers, or none that can be understood; ``state`` says in a word or two how it is with the daemon."""

    exit_code = Exit.UNAVAILABLE

    def __init__(self, message: str, state: str = "not running") -> None:
        super().__init__(message)
        self.state = state


class Misconfigured(Failure):
    """The configuration cannot be used; the message lists every fault."""

    exit_code = Exit.CONFIGURATION
