# SPDX-License-Identifier: ISC
"""
The checkout installed for the Python of a root folder: a folder to lay over it.

The packages and what they need come from the checkout and from the Python that runs the tests, so nothing is fetched.
All of them are pure Python; of the extras there is what Debian packages in the root folder.
"""

import importlib.metadata
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from tests.real.debian_root import CHECKOUT

PACKAGES: Final = ("filter_ban", "opensmtpd", "postfix_policy")
COMMAND: Final = "/usr/local/bin/filter-ban"
COMMAND_TEXT: Final = """#!/usr/bin/python3
import sys
from filter_ban.__main__ import main
sys.exit(main())
"""  # as pip writes it for [project.scripts]

# $1: root folder, $2: the library in it, $3: what to compile. An unprivileged user could not keep the compiled files.
_COMPILE: Final = """
mount --bind "$3" "$1/$2"
exec chroot "$1" python3 -m compileall -q "/$2"
"""


def install(root: Path, added: Path) -> None:
    """Install the checkout into the folder *added*, compiled by the Python of *root*."""
    library = added / _library(root)
    for name in PACKAGES:
        shutil.copytree(CHECKOUT / name, library / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in sorted(_needed_distributions()):
        _copy_distribution(name, library)
    command = added / COMMAND.lstrip("/")
    command.parent.mkdir(parents=True)
    command.write_text(COMMAND_TEXT)
    command.chmod(0o755)
    for path in (added, *added.rglob("*")):  # readable for smtpd's user whatever the umask was
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))
    argv = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-euc",
        _COMPILE,
        "sh",
        str(root),
        _library(root),
    ]
    subprocess.run([*argv, str(library)], check=True, timeout=120)


def _library(root: Path) -> str:
    """Return where Debian's python3 looks for what the admin installs."""
    version = (root / "usr/bin/python3").readlink().name  # python3.13
    return f"usr/local/lib/{version}/dist-packages"


def _needed_distributions() -> set[str]:
    """Return the names of the distributions that filter-ban needs, whether or not it is itself installed here."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    needed: set[str] = set()
    waiting: list[str] = list(project["dependencies"])
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.name in needed or not (
            requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        ):
            continue
        needed.add(requirement.name)
        waiting += importlib.metadata.requires(requirement.name) or []
    return needed


def _modules(name: str) -> Iterator[tuple[Path, Path]]:
    """Yield the Python files of a distribution: where each is, and its place in a library."""
    for file in importlib.metadata.files(name) or []:
        inside = not file.is_absolute() and ".." not in file.parts
        if inside and "__pycache__" not in file.parts:
            yield Path(str(file.locate())), Path(file)


def _copy_distribution(name: str, library: Path) -> None:
    for source, place in _modules(name):
        target = library / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
