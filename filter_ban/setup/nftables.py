# SPDX-License-Identifier: ISC
"""
nftables: the daemon makes its own table, and needs nothing but to be told when somebody has flushed it.

Debian's /etc/nftables.conf begins with ``flush ruleset``, so a reload of nftables.service takes our table away until the
next comparison, a minute at most. A drop-in for systemd makes that a moment.

Source: systemd.unit(5) (drop-ins), systemd.service(5) (lists of commands in a drop-in are added to; ``-``).
"""

import re
from pathlib import Path
from typing import Final

import attrs

from filter_ban.config import Config
from filter_ban.config.load import DEFAULT_PATH
from filter_ban.own_command import own_command
from filter_ban.setup.files import Change, read
from filter_ban.setup.plan import Ask, Place, Plan

SERVICE: Final = "nftables.service"
UNIT_FOLDERS: Final = tuple(
    map(Path, ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"))
)
DROP_IN: Final = Path("/etc/systemd/system/nftables.service.d/filter-ban.conf")

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./+-]+")


@attrs.frozen
class Nftables:
    """The set-up of nftables for a daemon whose configuration is *file*."""

    file: Path

    def place(self, ask: Ask) -> Place:  # noqa: ARG002 - the files tell
        """Return where the drop-in is to be; nowhere without systemd's service."""
        if not any((folder / SERVICE).exists() for folder in UNIT_FOLDERS):
            return Place((), _accept, "")
        return Place((DROP_IN.resolve(),), _accept, "systemctl daemon-reload")

    def plan(self, config: Config, ask: Ask) -> Plan:  # noqa: ARG002 - the ruleset needs nothing
        """
        Return what is to be written.

        Raises:
            MissingProgramError: nft is not here.

        """
        ask(("nft", "--version"))
        where = self.place(ask)
        changes = (Change(path, read(path), self.drop_in().encode()) for path in where.paths)
        notes = (
            ()
            if where.paths
            else (f"without {SERVICE}, end whatever loads your rules with: {self._resync()}",)
        )
        return Plan(where, tuple(change for change in changes if change.alters), notes, _accept)

    def by_hand(self, config: Config) -> str:  # noqa: ARG002 - as above
        """Return the drop-in for a machine with nftables and systemd."""
        return f"# in {DROP_IN}, where systemd loads the rules\n{self.drop_in()}"

    def drop_in(self) -> str:
        """Return the lines for systemd; ``-``: the firewall is up whether we are or not."""
        resync = self._resync()
        return f"[Service]\nExecStartPost=-{resync}\nExecReload=-{resync}\n"

    def _resync(self) -> str:
        config = () if self.file == DEFAULT_PATH else ("--config", str(self.file))
        return " ".join(map(_word, (*own_command(), *config, "resync")))


def _word(text: str) -> str:
    """Return an argument as systemd reads it."""
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def _accept() -> None:
    """Take everything: systemd skips what it does not understand."""
