# SPDX-License-Identifier: ISC
"""From an address as a server writes it to the client that is counted."""

from typing import Final

from filter_ban.client import NOBODY, ClientKey, make_key, pack_address
from filter_ban.engine import Policy

MAX_CACHED: Final = 1024


class Clients:
    """
    Looks up the key that an address is counted under; NOBODY for those that are never counted.

    Text that is no address (a local socket) is nobody's fault and never counted.
    """

    def __init__(self, policy: Policy) -> None:
        self._known: dict[str, ClientKey] = {}
        self.reconfigure(policy)

    def reconfigure(self, policy: Policy) -> None:
        """Look up by *policy* from now on."""
        self._policy = policy
        self._known.clear()

    def of(self, address: str) -> ClientKey:
        """Return the key of *address*, with or without brackets around IPv6."""
        client = self._known.get(address)
        if client is None:
            if len(self._known) >= MAX_CACHED:
                self._known.clear()
            client = self._known[address] = self._find(address)
        return client

    def _find(self, address: str) -> ClientKey:
        try:
            packed = pack_address(address)
        except ValueError:
            return NOBODY
        policy = self._policy
        if policy.never.covers(packed):
            return NOBODY
        return make_key(packed, policy.ipv4_prefix if len(packed) == 4 else policy.ipv6_prefix)  # noqa: PLR2004 - bytes
