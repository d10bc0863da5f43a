# SPDX-License-Identifier: ISC
"""Where the ledger lies: the one rule that daemon and command line share. Standard library only."""

import os
import sys
from pathlib import Path
from typing import Final

from filter_ban.places import private_dir

LEDGER_FILE: Final = "ledger.sqlite3"


def default_state_dir() -> Path:
    """Return the platform's folder for what must survive a reboot; hier(7) and file-hierarchy(7)."""
    return Path("/var/lib/filter-ban" if sys.platform == "linux" else "/var/db/filter-ban")


def ledger_path(configured: Path | None, socket_dir: Path) -> Path:
    """
    Return the path of the ledger; it depends on nothing else, so that all who ask get the same answer.

    Args:
        configured: ``ledger.path``, or None if it is not set.
        socket_dir: Folder that the daemon serves from. One in a private folder keeps its ledger there too.

    """
    if configured is not None:
        return configured
    return (socket_dir if _is_private_dir(socket_dir) else default_state_dir()) / LEDGER_FILE


def _is_private_dir(folder: Path) -> bool:
    uid = folder.name.rpartition("-")[2]
    return uid.isascii() and uid.isdigit() and os.fspath(folder) == private_dir(int(uid))
