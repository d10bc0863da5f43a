# SPDX-License-Identifier: ISC
"""``filter-ban check``: the configuration, before a daemon is started with it."""

from pathlib import Path

import click

from filter_ban.cli.document import Document
from filter_ban.cli.failures import Exit
from filter_ban.cli.options import CONFIG_FILE, Command, config_option, json_option
from filter_ban.cli.reading import print_json
from filter_ban.cli.settings import effective_settings
from filter_ban.cli.wording import printable
from filter_ban.config import ConfigError, Fault, load_config
from filter_ban.text import excerpt


@click.command("check", cls=Command, example="filter-ban check /etc/filter-ban.toml")
@click.argument("file", type=CONFIG_FILE, required=False)
@click.option("-v", "--verbose", is_flag=True, help="Print every key with the value that holds.")
@json_option
@config_option
@click.pass_context
def command(ctx: click.Context, *, file: Path | None, verbose: bool, as_json: bool) -> None:
    """
    Check the configuration; name every fault.

    Exit status 78: it cannot be used. With --verbose, what is printed for a good one is itself a configuration.
    """
    try:
        config, name, content = load_config(file or ctx.obj)
    except ConfigError as error:
        if as_json:
            print_json({"ok": False, "file": error.file, "faults": [_fault(fault) for fault in error.faults]})
        else:
            click.echo(printable(str(error)), err=True)
        ctx.exit(Exit.CONFIGURATION)
    settings = effective_settings(config, content)
    if as_json:
        values = {setting.name: {"value": setting.value, "origin": setting.origin} for setting in settings}
        print_json({"ok": True, "file": name, "faults": [], "values": values})
        return
    if verbose:
        for setting in settings:
            click.echo(setting.line)
    click.echo(f"{'# ' if verbose else ''}{name}: ok")


def _fault(fault: Fault) -> Document:
    value = None if fault.value is None else excerpt(repr(fault.value))
    return {"key": fault.key, "value": value, "rule": fault.rule}
