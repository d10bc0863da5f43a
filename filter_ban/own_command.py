# SPDX-License-Identifier: ISC
"""How this program is started, for the configuration of those that start it."""

import shutil
import sys
from pathlib import Path

from filter_ban.firewall.runner import SEARCH_PATH


def own_command() -> tuple[str, ...]:
    """Return our command: its name in the usual folders if it is there, else beside the interpreter, else a module."""
    found = shutil.which("filter-ban", path=":".join(SEARCH_PATH))
    beside = Path(sys.executable).with_name("filter-ban")
    if found is None and beside.exists():
        return (str(beside),)
    return (found,) if found else (sys.executable, "-m", "filter_ban")
