# SPDX-License-Identifier: ISC
"""Which bans are meant by many clients and prefixes: one walk over the bans finds those of all prefixes."""

from collections.abc import Iterable, Mapping

from filter_ban.client import ClientKey, is_host, prefix_of, widen
from filter_ban.model import Ban


class Covering:
    """Clients and prefixes in the order in which they were named; a ban belongs to the first that contains it."""

    def __init__(self, named: Iterable[ClientKey]) -> None:
        self._places: dict[ClientKey, int] = {}
        self._prefixes: dict[int, set[int]] = {}  # of networks, by the length of the key
        self._found: dict[ClientKey, list[Ban]] = {}
        for place, client in enumerate(named):
            if client not in self._places:
                self._places[client] = place
                if client and not is_host(client):
                    self._prefixes.setdefault(len(client), set()).add(prefix_of(client))

    def candidates(self, bans: Mapping[ClientKey, Ban]) -> list[Ban]:
        """Return those of *bans* that may be meant: all, where a network was named."""
        if self._prefixes:
            return list(bans.values())
        return [bans[client] for client in self._places if client in bans]

    def find(self, bans: Iterable[Ban]) -> None:
        """Take note of which of *bans* are meant, and by whom."""
        for ban in bans:
            client = ban.client
            around = [
                widen(client, prefix)
                for prefix in self._prefixes.get(len(client), ())
                if prefix < prefix_of(client)
            ]
            named = [one for one in (client, *around) if one in self._places]
            if named:
                self._found.setdefault(min(named, key=self._places.__getitem__), []).append(ban)

    def take(self, client: ClientKey) -> list[Ban]:
        """Return, once, the bans that were found for *client*."""
        return self._found.pop(client, [])
