# SPDX-License-Identifier: ISC
"""``filter-ban setup``: the configuration of mail servers and firewalls, printed, written or taken out again."""

import importlib.util
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from filter_ban.cli.failures import Failure
from filter_ban.cli.options import Command, config_option
from filter_ban.cli.reading import load
from filter_ban.cli.wording import printable
from filter_ban.config import Config
from filter_ban.config.load import DEFAULT_PATH
from filter_ban.setup.files import (
    BACKUP,
    UNDONE,
    Change,
    SetupError,
    diff,
    last_backups,
    require_writable,
    undo_change,
    write,
)
from filter_ban.setup.plan import Place, Plan
from filter_ban.setup.programs import MissingProgramError, ProgramError, output
from filter_ban.setup.targets import FIREWALLS, SERVERS, Target, make_target


@click.command("setup", cls=Command, example="filter-ban setup postfix --apply")
@click.argument("target", type=click.Choice([*SERVERS, *FIREWALLS]), metavar="TARGET")
@click.option("--apply", is_flag=True, help="Write it; what was there is kept beside it.")
@click.option("--undo", is_flag=True, help="Restore what the last --apply replaced.")
@click.option("--yes", is_flag=True, help="Do not ask at a terminal.")
@click.option("--force", is_flag=True, help="With --undo: also if the file was changed since.")
@config_option
@click.pass_context
def command(ctx: click.Context, *, target: str, apply: bool, undo: bool, yes: bool, force: bool) -> None:
    """
    Make a mail server or firewall work with filter-ban.

    TARGET is postfix or dovecot, or one of nftables, ufw, iptables, pf, npf, ipfw and route.

    Changes are shown as a diff of each file. Nothing is written without --apply, and nothing is put into effect: the
    command for that is told.
    """
    if apply and undo:
        raise click.UsageError("--apply and --undo exclude each other")
    config, _ = load(ctx.obj)
    chosen = make_target(target, ctx.obj or DEFAULT_PATH)
    try:
        if undo:
            _undo(chosen.place(output), confirm=not yes, force=force)
        else:
            _set_up(target, chosen.plan(config, output), confirm=not yes, apply=apply)
    except MissingProgramError as error:
        if apply or undo:
            raise Failure(str(error)) from None
        _by_hand(chosen, config, error)
    except ProgramError as error:
        raise Failure(f"{error}; nothing is changed") from None
    except SetupError as error:
        raise Failure(str(error)) from None


def _by_hand(target: Target, config: Config, error: MissingProgramError) -> None:
    click.echo(target.by_hand(config), nl=False)
    _note(f"{error}; for a machine that has it, these are the lines")


def _set_up(target: str, plan: Plan, *, confirm: bool, apply: bool) -> None:
    _show(plan.changes)
    if target == "dovecot" and importlib.util.find_spec("aiohttp") is None:
        _note('filter-ban cannot listen for Dovecot without the package aiohttp: install its extra "http"')
    for note in plan.notes:
        _note(note)
    if not plan.changes:
        click.echo(f"{plan.place.paths[-1]}: all is set up already")
    elif not apply:
        click.echo(f"Nothing is written. To write it: filter-ban setup {target} --apply")
    else:
        require_writable(plan.place.paths)
        _require_acceptance(plan.place)
        _confirm(confirm)
        copies = write(plan.changes, time.time(), BACKUP, plan.accept)
        _written(plan.changes, copies, plan.place)


def _undo(place: Place, *, confirm: bool, force: bool) -> None:
    backups = last_backups(place.paths)
    if not backups:
        raise SetupError(f"nothing to undo: there is no backup beside {place.paths[-1]}")
    require_writable(place.paths)
    changes = [undo_change(backup, force=force) for backup in backups]
    _show(changes)
    _confirm(confirm)
    copies = write(changes, time.time(), UNDONE, place.accept if _accepts(place) else lambda: None)
    for backup in backups:
        backup.path.unlink()
    _written(changes, copies, place)


def _require_acceptance(place: Place) -> None:
    try:
        place.accept()
    except ProgramError as error:
        raise SetupError(f"the present configuration is refused already, mend that first: {error}") from None


def _accepts(place: Place) -> bool:
    """Return whether the server takes its configuration as it is; if not, an undo can make nothing worse."""
    try:
        place.accept()
    except ProgramError:
        return False
    return True


def _show(changes: Iterable[Change]) -> None:
    for change in changes:
        click.echo(printable(diff(change).expandtabs()), nl=False)


def _note(text: str) -> None:
    click.echo(f"filter-ban: {printable(text)}", err=True)


def _confirm(confirm: bool) -> None:
    if confirm and sys.stdin.isatty():
        click.confirm("Write this?", abort=True)


def _written(changes: Sequence[Change], copies: Sequence[Path], place: Place) -> None:
    for change, copy in zip(changes, copies, strict=True):
        done = "removed" if change.new is None else "written"
        click.echo(f"{change.path}: {done}" + (f"; as it was: {copy.name}" if change.old is not None else ""))
    click.echo(f"To put it into effect: {place.next_step}")
