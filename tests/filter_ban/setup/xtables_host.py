# SPDX-License-Identifier: ISC
"""A stand-in for the programs that the set-ups of ufw and iptables ask."""

from collections.abc import Sequence
from pathlib import Path

import attrs

from filter_ban.setup.programs import MissingProgramError, ProgramError

SAVED = """\
*filter
:INPUT ACCEPT [0:0]
:filter-ban - [0:0]
-A INPUT -m set --match-set filter-ban4 src -j filter-ban
-A INPUT -m set --match-set filter-ban6 src -j filter-ban
-A filter-ban -j DROP
COMMIT
"""


@attrs.define
class FakeHost:
    """
    Answers what is asked, and remembers it; what stands in ``missing`` is not installed, in ``failing`` ends with 1.

    ``saved`` is what iptables-save prints in the end of a trial.
    """

    missing: set[str] = attrs.Factory(set)
    failing: set[str] = attrs.Factory(set)
    saved: str = SAVED
    asked: list[tuple[str, ...]] = attrs.Factory(list)
    loaded: list[tuple[str, str]] = attrs.Factory(list)  # program, and the file that it was to look at
    tried: list[str] = attrs.Factory(list)  # scripts

    def __call__(self, argv: Sequence[str]) -> str:
        """Return what the program prints."""
        self.asked.append(tuple(argv))
        if argv[0] in self.missing:
            raise MissingProgramError(f"{argv[0]}: not found")
        if {argv[0], " ".join(argv[:3])} & self.failing:
            raise ProgramError(f"{argv[0]} (status 1): no")
        match argv:
            case (("iptables-restore" | "ip6tables-restore") as program, "--test", "--noflush", file):
                self.loaded.append((program, Path(file).read_text()))
            case ("unshare", "--net", "sh", file):
                self.tried.append(Path(file).read_text())
                return self.saved
        return ""
