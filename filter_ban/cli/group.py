# SPDX-License-Identifier: ISC
"""The list of commands, and what they have in common."""

import difflib
import importlib
import keyword
from itertools import chain
from pathlib import Path
from typing import Final

import click

from filter_ban import __version__
from filter_ban.cli.options import CONFIG_FILE
from filter_ban.text import excerpt

# in the order of the help text
SECTIONS: Final = {
    "To look": (
        "status",
        "watch",
        "list",
        "show",
        "report",
    ),
    "To act": (
        "ban",
        "lift",
        "allow",
        "export",
        "import",
        "resync",
    ),
    "To set up": (
        "setup",
        "check",
        "doctor",
        "replay",
        "completion",
    ),
    "To run": (
        "serve",
        "reload",
        "opensmtpd",
        "demo",
    ),
}
COMMANDS: Final = (*chain.from_iterable(SECTIONS.values()),)
MEANT: Final = {  # what they are called elsewhere
    "block": "ban",
    "unban": "lift",
    "unblock": "lift",
    "why": "show",
    "explain": "show",
    "start": "serve",
    "sync": "resync",
    "test": "check",
}


class Commands(click.Group):
    """A group that imports the module of a command when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of COMMANDS."""
        return [*COMMANDS]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in their sections, all in the same columns."""
        widest = max(map(len, COMMANDS))
        for title, names in SECTIONS.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(title):
                formatter.write_dl(
                    [
                        (name.ljust(widest), command.get_short_help_str(formatter.width))
                        for name, command in commands
                        if command is not None
                    ]
                )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that *args* begin with; for one that there is not, say which was meant."""
        name = args[0]
        if name not in COMMANDS and not ctx.resilient_parsing:
            near = [MEANT[name]] if name in MEANT else difflib.get_close_matches(name, COMMANDS, n=2)
            hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            ctx.fail(f"No such command '{excerpt(name)}'.{hint}")
        return super().resolve_command(ctx, args)

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
