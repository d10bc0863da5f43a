# SPDX-License-Identifier: ISC
"""The manual: it builds strictly and asks nobody else; what is made from the code is up to date; nothing is left out."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from filter_ban.cli.group import COMMANDS
from filter_ban.config import parse_config
from tools.manual import commands, configuration
from tools.manual.configuration import keys as every_key
from tools.manual.examples import EXAMPLES
from tools.manual.pages import DOCS, PAGES
from tools.manual.scenes import play

ROOT = DOCS.parent
REFRESH = "run: .venv/bin/python -m tools.manual"
UNSHOWN = {
    "watch",
    "completion",
    "serve",
    "opensmtpd",
}  # a live view, a script, and what runs until it is stopped
TROUBLESHOOTING = (DOCS / "troubleshooting.md").read_text()
HEALTH = ROOT / "filter_ban/cli/health.py", ROOT / "filter_ban/cli/cluster.py"
LETTERS = re.compile(r"[a-z][a-z' ,-]{7,}[a-z]")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the manual, built."""
    folder = tmp_path_factory.mktemp("site")
    argv = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr  # --quiet would count no warnings
    return folder


def test_strict_build(site: Path) -> None:
    """Every page is in the navigation, and every link and anchor leads somewhere."""
    built = {page.relative_to(site).with_suffix("").as_posix() for page in site.rglob("*.html")}
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).with_suffix("").as_posix()
        assert name.removesuffix("README") + ("index" if name.endswith("README") else "") in built


def test_nothing_is_fetched(site: Path) -> None:
    """No page loads a script, a style, a font or a picture from elsewhere."""
    fetched = re.compile(r"""<(?:script|link|img|iframe)[^>]+(?:src|href)=["'](?:https?:)?//[^"']+""")
    for page in site.rglob("*.html"):
        assert fetched.findall(page.read_text()) == []
    for style in site.rglob("*.css"):
        assert "url(http" not in style.read_text().replace('"', "")


def test_configuration_page() -> None:
    """The page on configuration is what the schema makes of it."""
    assert (DOCS / "configuration.md").read_text() == configuration.page(), REFRESH


def test_every_key() -> None:
    """Every key has its row, and is set in the example of its table."""
    page = (DOCS / "configuration.md").read_text()
    for name, field in every_key():
        assert f'id="{name.replace("[]", "")}"' in page
        example = EXAMPLES[name.replace("[]", "").rpartition(".")[0]]
        assert re.search(rf"^{field.name} = ", example, re.MULTILINE), name


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_examples(example: str) -> None:
    """Each example is a configuration."""
    parse_config(example)


def test_commands_page() -> None:
    """The page on commands has what they print today, every command with its options and status, and most with output."""
    shown = play()
    assert (DOCS / "commands.md").read_text() == commands.render(shown), REFRESH
    assert {*COMMANDS} - {*shown} == UNSHOWN


def test_pages() -> None:
    """The pages that are made are those in the navigation."""
    navigation = (ROOT / "mkdocs.yml").read_text()
    assert all(f": {name}\n" in navigation for name in PAGES)


def problem_texts() -> list[str]:
    """Return the longest piece without a value of each text that ``status`` marks with ``!!``."""
    pieces = []
    for node in (node for file in HEALTH for node in ast.walk(ast.parse(file.read_text()))):
        if isinstance(node, ast.Yield) and node.value is not None:
            texts = [part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
            words = [word for text in texts if isinstance(text, str) for word in LETTERS.findall(text)]
            pieces += [max(words, key=len)] if words else []
    return pieces


@pytest.mark.parametrize("text", problem_texts())
def test_problems(text: str) -> None:
    """Troubleshooting has every problem that ``status`` can tell, in its words."""
    assert text in TROUBLESHOOTING.replace("\n", " ")
