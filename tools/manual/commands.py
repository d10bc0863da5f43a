# SPDX-License-Identifier: ISC
"""The page on commands: usage, options and exit status from the command line itself, and what each prints."""

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import click

from filter_ban.cli.group import COMMANDS, filter_ban
from tools.manual.exits import DOCS, exits
from tools.manual.scenes import play
from tools.manual.stage import Shown

HEAD: Final = """\
# Every command

<!-- made by: python -m tools.manual; what is printed was printed by a real daemon -->

`filter-ban COMMAND --help` says the same in a terminal. `--config FILE` can stand before or after the command. Commands
that read work without a daemon too, from the ledger; those that change something need it, and root (or the daemon's user).
Every command ends with status 2 for wrong usage; [Exit codes](exit-codes.md) has all of them in one table.

"""
_EXIT: Final = re.compile(r"\s*Exit status[^.]*\.(?=\s|$)")  # that has a line of its own


def page() -> str:
    """Return the page."""
    return render(play())


def render(shown: Mapping[str, Sequence[Shown]]) -> str:
    """Return the page with what each command printed."""
    lines = [f"| [`{name}`](#{name}) | {_command(name).get_short_help_str(100)} |" for name in COMMANDS]
    sections = ["\n".join(_section(name, shown.get(name, ()))) for name in COMMANDS]
    return HEAD + "\n".join(("| Command | |", "|---|---|", *lines, "", *sections)) + "\n"


def _group() -> click.Context:
    return click.Context(filter_ban, info_name="filter-ban", **filter_ban.context_settings)


def _command(name: str) -> click.Command:
    command = filter_ban.get_command(_group(), name)
    assert command is not None
    return command


def _section(name: str, shown: Sequence[Shown]) -> Iterator[str]:
    command = _command(name)
    context = click.Context(command, info_name=name, parent=_group())
    yield f"## {name}"
    yield ""
    usage = " ".join((context.command_path, *command.collect_usage_pieces(context)))
    yield f"    {usage}"
    yield ""
    yield _EXIT.sub("", inspect.cleandoc(command.help or "")).replace("<", "&lt;")
    yield ""
    if options := [*_options(command, context)]:
        yield "| Option | |"
        yield "|---|---|"
        yield from options
        yield ""
    yield f"Exit status: {exits(name)}."
    yield ""
    if (DOCS / f"{name}.md").exists():
        yield f"More: [{name}]({name}.md)."
        yield ""
    for picture in sorted((DOCS / "images").glob(f"{name}.*")):
        yield f"![filter-ban {name}](images/{picture.name})"
        yield ""
    for one in shown:
        status = f"\n[exit status {one.status}]" if one.status else ""
        yield textwrap.indent(f"$ {one.line}\n{one.output.rstrip()}{status}", "    ")
        yield ""


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None and "--help" not in parameter.opts:
            names, meaning = (text.replace("|", "\\|") for text in record)
            yield f"| `{names}` | {meaning} |"
