# SPDX-License-Identifier: ISC
"""The list of commands, and what they have in common."""

import importlib
import keyword
from pathlib import Path
from typing import Final

import click

from filter_ban import __version__
from filter_ban.cli.options import CONFIG_FILE

# in the order of the help text: to look, to act, to run
COMMANDS: Final = (
    "status",
    "list",
    "show",
    "ban",
    "lift",
    "import",
    "resync",
    "check",
    "replay",
    "setup",
    "doctor",
    "demo",
    "serve",
    "opensmtpd",
)


class Commands(click.Group):
    """A group that imports the module of a command when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of COMMANDS."""
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Return the command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command = importlib.import_module(f"filter_ban.cli.{module}").command
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: 0 done, 1 refused, 2 usage, 69 no daemon, 78 configuration.",
)
@click.option("-c", "--config", type=CONFIG_FILE, help="Configuration (default: /etc/filter-ban.toml).")
@click.version_option(__version__, "-V", "--version", message="filter-ban %(version)s")
@click.pass_context
def filter_ban(ctx: click.Context, config: Path | None) -> None:
    """
    Stop password guessing over SMTP, in the dialogue and in the firewall.

    To let a client in again: filter-ban lift CLIENT
    """
    ctx.obj = config
