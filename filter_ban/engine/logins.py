# SPDX-License-Identifier: ISC
"""
Who has logged in from where, lately: what tells a person who mistypes from somebody who guesses.

A login is eight bytes in its client's entry: the tag of the user, and the time.
"""

import struct
from collections import OrderedDict
from collections.abc import Collection, Iterator
from typing import Final

from filter_ban.client import ClientKey

MAX_USERS: Final = 512  # remembered for one client; the oldest go first
REPEATED_S: Final = 3600.0  # a login that is repeated sooner is no news

_LOGIN: Final = struct.Struct("<II")


class Logins:
    """
    Logins of the last *remember_s* seconds, from at most *max_clients* clients, least recently seen out first.

    Times are those of events. What is older than the memory is not seen, and goes when its client has news.
    """

    def __init__(self, remember_s: float, max_clients: int) -> None:
        self.remember_s = remember_s
        self._max_clients = max_clients
        self._clients: OrderedDict[ClientKey, bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def clients(self) -> Collection[ClientKey]:
        """The clients where somebody has logged in."""
        return self._clients.keys()

    def of(self, client: ClientKey) -> Iterator[tuple[int, int]]:
        """Yield the tag of each user that has logged in from *client*, and when."""
        yield from _LOGIN.iter_unpack(self._clients.get(client, b""))

    def note(self, client: ClientKey, user_tag: int, time_s: float) -> bool:
        """Remember a login; return whether it is news that is worth keeping."""
        clients = self._clients
        known = clients.get(client, b"")
        others = []
        for login in _LOGIN.iter_unpack(known):
            if login[0] == user_tag:
                if time_s - login[1] < REPEATED_S:
                    clients.move_to_end(client)
                    return False
            elif time_s - login[1] < self.remember_s:
                others.append(login)
        others.append((user_tag, int(time_s)))
        clients[client] = b"".join(_LOGIN.pack(*login) for login in others[-MAX_USERS:])
        clients.move_to_end(client)
        if len(clients) > self._max_clients:
            clients.popitem(last=False)
        return True

    def is_familiar(self, client: ClientKey, user_tag: int, now_s: float) -> bool:
        """Return whether this user has logged in from *client*."""
        known = self._clients.get(client)
        return known is not None and any(
            tag == user_tag and now_s - time_s < self.remember_s for tag, time_s in _LOGIN.iter_unpack(known)
        )

    def users(self, client: ClientKey, now_s: float) -> int:
        """Return how many users have logged in from *client*."""
        known = self._clients.get(client)
        if known is None:
            return 0
        return sum(now_s - time_s < self.remember_s for _, time_s in _LOGIN.iter_unpack(known))
