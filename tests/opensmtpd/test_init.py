# SPDX-License-Identifier: ISC
"""The public face of the package."""

import ast
import importlib
from pathlib import Path

import pytest

import opensmtpd
import opensmtpd.testing


@pytest.mark.parametrize("name", ["opensmtpd", "opensmtpd.testing"])
def test_all_is_sorted_and_complete(name: str) -> None:
    """__all__ is sorted, has no name twice and none that does not exist."""
    module = importlib.import_module(name)
    assert sorted(set(module.__all__)) == sorted(module.__all__)
    assert all(hasattr(module, public) for public in module.__all__)


def test_all_is_what_is_imported() -> None:
    """The package exports exactly what it imports."""
    tree = ast.parse(Path(opensmtpd.__file__).read_text())
    imported = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported == set(opensmtpd.__all__)


def test_only_the_shells_touch_the_world() -> None:
    """No module but aio and testing imports asyncio, descriptors, processes, time or logging; none the application."""
    world = {
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
    }
    for path in Path(opensmtpd.__file__).parent.glob("*.py"):
        imports = {
            name.partition(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        allowed = {"filter_ban"} if path.name in ("aio.py", "testing.py") else world
        assert not imports & allowed, path.name
