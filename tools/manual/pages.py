# SPDX-License-Identifier: ISC
"""Which pages are made, and of what."""

from collections.abc import Callable
from typing import Final

from tools.manual import commands, configuration
from tools.manual.exits import DOCS

__all__ = ["DOCS", "PAGES"]

PAGES: Final[dict[str, Callable[[], str]]] = {
    "configuration.md": configuration.page,
    "commands.md": commands.page,
}
