# SPDX-License-Identifier: ISC
"""The promises of README and manual that can be checked: configurations, commands, code, links of the README."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from aiosmtpd.handlers import Sink

from filter_ban.cli.group import COMMANDS, filter_ban
from filter_ban.config import parse_config
from filter_ban.sensors.aiosmtpd import GuardedSMTP

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs/quickstart").glob("*.md")),
    *sorted((ROOT / "docs/migration").glob("*.md")),
    *(
        ROOT / "docs" / name
        for name in ("index.md", "judgement.md", "postfix.md", "security.md", "troubleshooting.md")
    ),
]
TEXT = "\n".join(page.read_text() for page in PAGES)


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """Return each use of the command in a shell block, an indented line or the text, as words after ``filter-ban``."""
    shell = [line for block in blocks("sh") for line in block.splitlines()]
    shell += re.findall(r"^ {4}(filter-ban .*)$", TEXT, re.MULTILINE)
    shell += re.findall(r"`(filter-ban [^`]+)`", TEXT.replace("\n", " "))
    uses = [use for line in shell for use in re.split(r" (?:\||\|\||&&) ", line.partition("#")[0])]
    return [shlex.split(use)[1:] for use in uses if use.startswith("filter-ban ")]


@pytest.mark.parametrize("content", blocks("toml"))
def test_configurations(content: str) -> None:
    """Each configuration that is shown is a good one."""
    parse_config(content)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_commands(words: list[str]) -> None:
    """Each command that is shown exists, and takes the options and arguments that are written there."""
    assert words[0] in COMMANDS
    if (
        words[0] == "opensmtpd" or len(words) == 1
    ):  # the relay has a parser of its own; a name alone speaks of it
        return
    context = click.Context(filter_ban)
    command = filter_ban.get_command(context, words[0])
    assert command is not None
    there = [__file__ if word.endswith((".log", ".log.1", ".toml")) else word for word in words[1:]]
    command.make_context(words[0], there, parent=context)


def test_links() -> None:
    """Each link of the README leads to a file."""
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_aiosmtpd() -> None:
    """The code for aiosmtpd servers runs as written and makes guarded connections."""
    (code,) = blocks("python")
    names: dict[str, Any] = {}
    exec(compile(code, "aiosmtpd.md", "exec"), names)
    controller = names["GuardedController"](Sink(), hostname="127.0.0.1", port=0)
    try:
        assert isinstance(controller.factory(), GuardedSMTP)
    finally:
        controller.loop.close()
