# SPDX-License-Identifier: ISC
"""The pages on firewalls: configurations load, commands parse, lines are those that a set-up writes."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from filter_ban.cli.group import COMMANDS, filter_ban
from filter_ban.config import Config, load_config
from filter_ban.config.load import DEFAULT_PATH
from filter_ban.config.schema import BACKENDS
from filter_ban.setup.targets import FIREWALLS, make_target
from tests.real.installation import COMMAND

FOLDER: Final = Path(__file__).parents[1] / "docs" / "firewall"
PAGES: Final = {page.stem: page.read_text() for page in sorted(FOLDER.glob("*.md"))}
# A route needs no lines, and by hand those of iptables take another form than in Debian's files.
WRITTEN: Final = [page for page in PAGES if page in FIREWALLS and page not in ("iptables", "route")]


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Yield language and content of each fenced block."""
    yield from re.findall(r"^```(\w*)\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL)


def lines_of_shell(page: str) -> list[str]:
    """Return the commands of the shell blocks."""
    return [line for language, block in blocks(page) if language == "sh" for line in block.splitlines()]


def uses(page: str) -> list[list[str]]:
    """Return each use of our command, as words after ``filter-ban``."""
    shown = [line.partition("#")[0] for line in lines_of_shell(page)]
    shown += re.findall(r"`(filter-ban [^`]+)`", PAGES[page])
    return [line.split()[1:] for line in shown if line.startswith("filter-ban ")]


def loaded(folder: Path, text: str) -> Config:
    """Return the configuration that a block shows."""
    file = folder / "filter-ban.toml"
    file.write_text(text)
    return load_config(file)[0]


@pytest.mark.parametrize(
    ("page", "text"),
    [(page, block) for page in PAGES for language, block in blocks(page) if language == "toml"],
)
def test_configurations(tmp_path: Path, page: str, text: str) -> None:
    """Each configuration is a good one, and for the firewall that the page is about."""
    chosen = loaded(tmp_path, text).firewall.backend
    if page in BACKENDS:
        assert page in chosen or "ipset" in chosen


@pytest.mark.parametrize(("page", "words"), [(page, words) for page in PAGES for words in uses(page)])
def test_commands(page: str, words: list[str]) -> None:
    """Each command exists and takes the options and arguments that are written there."""
    assert words[0] in COMMANDS, page
    context = click.Context(filter_ban)
    command = filter_ban.get_command(context, words[0])
    assert command is not None
    command.make_context(words[0], words[1:], parent=context)


@pytest.mark.parametrize("page", WRITTEN)
def test_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    """What a page shows for other files, in blocks without a language, is what the set-up writes for the configuration above."""
    monkeypatch.setattr(shutil, "which", lambda name, path: COMMAND)
    config = Config()
    compared = 0
    for language, block in blocks(page):
        if language == "toml":
            config = loaded(tmp_path, block)
        elif not language:
            assert block in make_target(page, DEFAULT_PATH).by_hand(config)
            compared += 1
    assert compared


def test_pages() -> None:
    """Each firewall that can be set up has a page."""
    assert {*FIREWALLS} <= PAGES.keys()


def test_index() -> None:
    """The index names every backend, and each of its links leads somewhere."""
    named = set(re.findall(r"`([a-z]+)`", PAGES["README"]))
    links = re.findall(r"\]\(([^)]+)\)", PAGES["README"])
    assert {*BACKENDS} <= named
    assert [link for link in links if not (FOLDER / link).exists()] == []
