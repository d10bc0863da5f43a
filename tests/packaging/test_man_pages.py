# SPDX-License-Identifier: ISC
"""The manual pages: as the generator makes them, without fault, and complete."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import attrs
import pytest

from filter_ban.cli.group import COMMANDS
from filter_ban.config import Config
from filter_ban.config.schema import BACKENDS
from tools.man.firewall_page import backends
from tools.man.pages import PAGES

FOLDER: Final = Path(__file__).parents[2] / "docs/man"
ELSEWHERE: Final = "referenced manual not found"  # ours are not installed yet, smtpd's perhaps never


@pytest.mark.parametrize("name", PAGES)
def test_up_to_date(name: str) -> None:
    """Each page in docs/man is what its generator makes today."""
    assert (FOLDER / name).read_text() == PAGES[name](), "run: make man"


def test_no_other_page() -> None:
    """Nothing else is in the folder."""
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_lint(name: str) -> None:
    """No fault is found by mandoc."""
    if shutil.which("mandoc") is None:
        pytest.skip("the Debian package mandoc is missing: apt-get install mandoc")
    done = subprocess.run(
        ["mandoc", "-Tlint", FOLDER / name], capture_output=True, text=True, check=False, timeout=30
    )
    assert [line for line in done.stdout.splitlines() if ELSEWHERE not in line] == []


def test_all_commands() -> None:
    """filter-ban(1) has a section for each command."""
    page = PAGES["filter-ban.1"]()
    assert [command for command in COMMANDS if f"\n.Ss {command}\n" not in page] == []


def test_all_keys() -> None:
    """filter-ban.toml(5) has an entry for each key of each table."""
    page = PAGES["filter-ban.toml.5"]()
    for field in attrs.fields(Config):
        inner = field.metadata.get("table") or field.metadata.get("tables")
        for key in attrs.fields(inner) if inner else ():
            if "default" in key.metadata:
                dots = "." if "table" in field.metadata else "[]."
                assert f"\n.It Ic {field.name}{dots}{key.name}\n" in page


def test_all_backends() -> None:
    """filter-ban-firewall(7) has a part for each backend of the schema."""
    assert sorted(name for names in backends() for name in names) == sorted(BACKENDS)
