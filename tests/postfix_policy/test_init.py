# SPDX-License-Identifier: ISC
"""The public face of the package."""

import ast
import importlib
from pathlib import Path

import pytest

import postfix_policy

HERE = Path(postfix_policy.__file__).parent
WORLD = {
    "asyncio",
    "socket",
    "os",
    "sys",
    "time",
    "logging",
    "subprocess",
    "select",
    "signal",
    "filter_ban",
    "opensmtpd",
}
SHELLS = {"aio.py": {"filter_ban", "opensmtpd"}, "testing.py": {"filter_ban", "opensmtpd"}}


@pytest.mark.parametrize("name", ["postfix_policy", "postfix_policy.testing"])
def test_all_is_sorted_and_complete(name: str) -> None:
    """__all__ has no name twice and none that does not exist."""
    module = importlib.import_module(name)
    assert sorted(set(module.__all__)) == sorted(module.__all__)
    assert all(hasattr(module, public) for public in module.__all__)


def test_all_is_what_is_imported() -> None:
    """The package exports exactly what it imports."""
    tree = ast.parse(Path(postfix_policy.__file__).read_text())
    imported = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported == set(postfix_policy.__all__)


def test_only_the_shells_touch_the_world() -> None:
    """No module but aio and testing imports asyncio, sockets, time or logging; none the application or its sister."""
    for path in HERE.glob("*.py"):
        imports = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imports |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imports.add((node.module or "").partition(".")[0])
        assert not imports & SHELLS.get(path.name, WORLD), path.name


def test_package_is_typed() -> None:
    """The package says that it has types."""
    assert (HERE / "py.typed").exists()
