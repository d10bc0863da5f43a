# SPDX-License-Identifier: ISC
"""filter-ban-firewall(7): the backends, from docs/firewall and the configuration's schema."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.man.configuration_page import section
from tools.man.mdoc import display, escaped, page, paragraphs, prose, tags

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs/firewall"
_BACKEND: Final = re.compile(r"^\| (\[`.*?)\s*\| (.*?) \|", re.MULTILINE)  # a row of the table in README.md
_FILE: Final = re.compile(r"\]\((\w+\.md)\)")
_ROW: Final = re.compile(r"^\| (.+?) \| (.+) \|$", re.MULTILINE)
_TOML: Final = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def backends() -> dict[tuple[str, ...], str]:
    """Return the names of backends that share a page, and the text of that page, in the manual's order."""
    table = (FOLDER / "README.md").read_text()
    return {
        tuple(re.findall(r"`(\w+)`", row[1])): (FOLDER / file[1]).read_text()
        for row in _BACKEND.finditer(table)
        if (file := _FILE.search(row[1]))
    }


def firewall_page() -> str:
    """Return the page."""
    introduction, _, rest = (FOLDER / "README.md").read_text().partition("\n| `firewall.backend`")
    _, _, common = rest.partition("What holds for all of them:\n")
    return page(
        "filter-ban-firewall",
        7,
        "firewalls that filter-ban hands its bans to",
        (
            "DESCRIPTION",
            [*paragraphs(introduction.partition("\n")[2]), ".Pp", *_points(common), *_backends()],
        ),
        ("CONFIGURATION", ["In", ".Xr filter-ban.toml 5 :", *section("firewall")]),
        ("SEE ALSO", [".Xr filter-ban 1 ,", ".Xr filter-ban.toml 5"]),
    )


def _points(text: str) -> Iterator[str]:
    points = re.split(r"^- ", text.strip(), flags=re.MULTILINE)[1:]
    yield "What holds for all of them:"
    yield ".Bl -bullet"
    for point in points:
        yield ".It"
        yield from prose(point)
    yield ".El"


def _backends() -> Iterator[str]:
    for names, text in backends().items():
        before, _, facts = text.partition("\n| | |\n|---|---|\n")
        facts = facts.partition("\n\n")[0]
        yield f".Ss {' and '.join(names)}"
        yield from paragraphs(before.partition("\n")[2])
        yield from tags((_fact(row[1]), prose(_sentence(row[2]))) for row in _ROW.finditer(facts))
        if example := _TOML.search(text):
            yield ".Pp"
            yield "Configuration:"
            yield from display(example[1])


def _fact(name: str) -> str:
    plain = escaped(name.replace("`", "")).replace('"', r"\(dq")
    return f"Em {plain}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
