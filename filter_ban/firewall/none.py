# SPDX-License-Identifier: ISC
"""No packet filter: bans are refused in the dialogue only."""

from collections.abc import Collection, Sequence
from typing import Final

from filter_ban.client import ClientKey
from filter_ban.firewall.base import Change, Check, Command, Net


class NoFirewall:
    """Runs nothing, and never says that an entry is in force."""

    name: Final = "none"

    def setup_commands(self, nets: Collection[Net]) -> Sequence[Command]:  # noqa: ARG002 - the protocol's signature
        """Return nothing."""
        return ()

    def change_commands(self, change: Change) -> Sequence[Command]:  # noqa: ARG002 - the protocol's signature
        """Return nothing."""
        return ()

    def check_commands(self) -> Sequence[Command]:
        """Return nothing."""
        return ()

    def parse_check(self, outputs: Sequence[bytes]) -> Check:  # noqa: ARG002 - the protocol's signature
        """Say that nothing is configured."""
        return Check(exists=False, problem="no firewall is configured")

    def list_commands(self) -> Sequence[Command]:
        """Return nothing."""
        return ()

    def parse_list(self, outputs: Sequence[bytes]) -> set[ClientKey]:  # noqa: ARG002 - the protocol's signature
        """Return no client."""
        return set()
