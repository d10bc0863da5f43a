# SPDX-License-Identifier: ISC
"""The promises of README and manual that can be checked: table, configurations, commands, code."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import click
import pytest
from aiosmtpd.handlers import Sink

from filter_ban.cli.group import COMMANDS, filter_ban
from filter_ban.config import Config, parse_config
from filter_ban.sensors.aiosmtpd import GuardedSMTP

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = README + "".join((ROOT / "docs" / page).read_text() for page in ("postfix.md", "judgement.md"))
NO_DEFAULT = "depends on the system"


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES, re.MULTILINE | re.DOTALL)


def rows(cls: type[Any], prefix: str = "") -> Iterator[str]:
    """Yield the table's row of each key."""
    for field in attrs.fields(cls):
        if "table" in field.metadata:
            yield from rows(field.metadata["table"], f"{prefix}{field.name}.")
        elif "tables" in field.metadata:
            yield from rows(field.metadata["tables"], f"{prefix}{field.name}[].")
        else:
            default = field.metadata["default"]
            shown = NO_DEFAULT if default is None else f"`{json.dumps(default)}`"
            yield f"| `{prefix}{field.name}` | {shown} | {field.metadata['doc']} |"


def commands() -> list[list[str]]:
    """Return each use of the command in a shell block or in the text, as words after ``filter-ban``."""
    shell = [line.partition("#")[0] for block in blocks("sh") for line in block.splitlines()]
    uses = [line for line in shell if line.startswith("filter-ban ")]
    uses += re.findall(r"`(filter-ban [^`]+)`", PAGES)
    return [use.split()[1:] for use in uses]


def test_configuration_table() -> None:
    """The table names every key with its default and its meaning, in the order of the schema."""
    table = "\n".join(["| Key | Default | Meaning |", "|---|---|---|", *rows(Config)])
    assert table in README, f"put this into README.md:\n{table}"


@pytest.mark.parametrize("content", blocks("toml"))
def test_configurations(content: str) -> None:
    """Each configuration that is shown is a good one."""
    parse_config(content)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_commands(words: list[str]) -> None:
    """Each command that is shown exists, and takes the options and arguments that are written there."""
    assert words[0] in COMMANDS
    if words[0] == "opensmtpd":
        return
    context = click.Context(filter_ban)
    command = filter_ban.get_command(context, words[0])
    assert command is not None
    there = [__file__ if word.endswith((".log", ".toml")) else word for word in words[1:]]
    command.make_context(words[0], there, parent=context)


def test_aiosmtpd() -> None:
    """The code for aiosmtpd servers runs as written and makes guarded connections."""
    (code,) = blocks("python")
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)
    controller = names["GuardedController"](Sink(), hostname="127.0.0.1", port=0)
    try:
        assert isinstance(controller.factory(), GuardedSMTP)
    finally:
        controller.loop.close()
