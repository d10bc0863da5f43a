# SPDX-License-Identifier: ISC
"""``filter-ban completion``: what makes a shell complete our commands, options and clients."""

import contextlib
import time
from pathlib import Path
from typing import Final

import click
from click.shell_completion import CompletionItem, get_completion_class

from filter_ban.cli.daemon_client import DaemonClient
from filter_ban.cli.document import parts
from filter_ban.cli.failures import Failure
from filter_ban.cli.options import Command
from filter_ban.cli.reading import load
from filter_ban.cli.wording import shown

PROGRAM: Final = "filter-ban"
VARIABLE: Final = "_FILTER_BAN_COMPLETE"  # what click looks at, for a program of that name
SHELLS: Final = ("bash", "zsh", "fish")
PATIENCE_S: Final = 0.5  # longest that somebody who pressed the key waits for a daemon
MAX_CLIENTS: Final = 100


@click.command("completion", cls=Command, example='eval "$(filter-ban completion bash)"')
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, *, shell: str) -> None:
    """
    Print what makes a shell complete commands.

    Commands, options, their values and, after lift and show, the clients that are banned now. To have it always, add the
    line below to ~/.bashrc or ~/.zshrc (there after compinit); or write it to
    ~/.config/fish/completions/filter-ban.fish.
    """
    completion = get_completion_class(shell)
    assert completion is not None
    click.echo(completion(ctx.find_root().command, {}, PROGRAM, VARIABLE).source())


def banned_clients(config_file: Path | None, incomplete: str) -> list[CompletionItem]:
    """Return the banned clients that begin with *incomplete*, some of very many; none where no daemon answers at once."""
    found: list[CompletionItem] = []
    deadline_s = time.monotonic() + PATIENCE_S
    with contextlib.suppress(Failure, OSError):
        config, _ = load(config_file)
        with DaemonClient.find(config, connect_s=PATIENCE_S) as daemon:
            for answer in daemon.ask("list", silence_s=PATIENCE_S):
                found += [
                    CompletionItem(shown(ban.get("client")), help=shown(ban.get("rule")))
                    for ban in parts(answer, "bans")
                    if str(ban.get("client")).startswith(incomplete)
                ]
                if len(found) >= MAX_CLIENTS or time.monotonic() > deadline_s:
                    break
    return found[:MAX_CLIENTS]
