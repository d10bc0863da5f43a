# SPDX-License-Identifier: ISC
"""The relay stays small: what it may import, and what a running one has loaded."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import filter_ban.relay

MODULES = sorted(Path(filter_ban.relay.__file__).parent.glob("*.py"))
ALLOWED = {
    *(
        "collections",
        "contextlib",
        "math",
        "os",
        "resource",
        "select",
        "signal",
        "socket",
        "stat",
        "sys",
        "time",
    ),
    "tomllib",  # in settings.py, where there is a file
    *("filter_ban", "filter_ban.places", "filter_ban.relay"),
}
HEAVY = {
    "asyncio",
    "attr",
    "attrs",
    "click",
    "json",
    "logging",
    "opensmtpd",
    "rich",
    "sqlite3",
    "subprocess",
    "typing",
}


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports(path: Path) -> None:
    """Each module imports the standard library's small parts, places, and its siblings; nothing else."""
    own = {name for name in imported(path) if name.startswith("filter_ban.relay.")}
    assert imported(path) - own <= ALLOWED


@pytest.mark.parametrize("module", ["backlog", "lines", "sessions", "table", "wire"])
def test_pure(module: str) -> None:
    """The core knows no descriptor, clock or process."""
    path = Path(filter_ban.relay.__file__).with_name(f"{module}.py")
    own = {name for name in imported(path) if name.startswith("filter_ban.relay")}
    assert imported(path) - own <= {"math"}


@pytest.mark.parametrize("with_file", [False, True])
def test_loaded(with_file: bool, tmp_path: Path) -> None:
    """A running relay has loaded nothing heavy and nothing of filter_ban but itself and places."""
    file = tmp_path / "filter-ban.toml"
    file.write_text("daemon.spawn = false\n")
    arguments = ["--config", str(file)] if with_file else []
    relay = "import sys; sys.executable = ''; import filter_ban.__main__ as program; program.main()"  # starts no daemon
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", relay, "opensmtpd", *arguments],
        input=b"config|ready\n",
        capture_output=True,
        check=True,
    )
    loaded = {
        line.rpartition("|")[2].strip()
        for line in done.stderr.decode().splitlines()
        if "import time:" in line
    }
    assert "filter_ban.relay.loop" in loaded
    heavy = HEAVY - {"typing"} if with_file else HEAVY  # tomllib loads it
    assert not {name.partition(".")[0] for name in loaded} & heavy
    ours = {
        name for name in loaded if name.startswith("filter_ban.") and not name.startswith("filter_ban.relay")
    }
    assert ours == {"filter_ban.__main__", "filter_ban.places"}
