#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Print a dependency group of pyproject.toml, one requirement a line; pip can read groups itself only since 25.1."""

import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

Groups = Mapping[str, Sequence[str | Mapping[str, str]]]


def requirements(groups: Groups, name: str) -> Iterator[str]:
    """
    Yield the requirements of a group and of those it includes.

    Source: PyPA specification "Dependency Groups" (PEP 735).
    """
    for entry in groups[name]:
        if isinstance(entry, str):
            yield entry
        else:
            yield from requirements(groups, entry["include-group"])


if __name__ == "__main__":
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    sys.stdout.writelines(f"{line}\n" for line in requirements(project["dependency-groups"], sys.argv[1]))
