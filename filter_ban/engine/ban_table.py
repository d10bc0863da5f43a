# SPDX-License-Identifier: ISC
"""The active bans: found by client, and ended when their time is over."""

import heapq
import math
from collections import Counter
from collections.abc import Iterator

from filter_ban.client import ClientKey, is_ipv4, prefix_of, widen
from filter_ban.model import Ban


class BanTable:
    """
    At most one ban for each client or network.

    Args:
        ipv4_prefix, ipv6_prefix: Of a client that is counted; a ban of less covers several.

    """

    def __init__(self, ipv4_prefix: int, ipv6_prefix: int) -> None:
        self.bans: dict[ClientKey, Ban] = {}
        self._counted = (ipv4_prefix, ipv6_prefix)
        self._wide: Counter[tuple[int, int]] = Counter()  # how many cover several, by key length and prefix
        self._ends: list[tuple[int, ClientKey]] = []

    @property
    def has_wide(self) -> bool:
        """Whether some ban covers several clients."""
        return bool(self._wide)

    def covering(self, client: ClientKey) -> Iterator[Ban]:
        """Yield the bans that cover *client*, the narrowest first; some may be over and not taken out yet."""
        own = self.bans.get(client)
        if own is not None:
            yield own
        wider = [prefix for length, prefix in self._wide if length == len(client) and prefix < client[-1]]
        for prefix in sorted(wider, reverse=True):
            ban = self.bans.get(widen(client, prefix))
            if ban is not None:
                yield ban

    def add(self, ban: Ban) -> None:
        """Put *ban* in the place of any other for the same."""
        if ban.client in self.bans:
            self.remove(ban)
        self.bans[ban.client] = ban
        if prefix_of(ban.client) != self._counted[0 if is_ipv4(ban.client) else 1]:
            self._wide[len(ban.client), ban.client[-1]] += 1
        if ban.end_s is not None:
            heapq.heappush(self._ends, (ban.end_s, ban.client))

    def remove(self, ban: Ban) -> None:
        """Take out the ban for the client of *ban*, which is there."""
        del self.bans[ban.client]
        shape = (len(ban.client), ban.client[-1])
        if shape in self._wide:
            self._wide[shape] -= 1
            if not self._wide[shape]:
                del self._wide[shape]

    def expire(self, now_s: float, most: float = math.inf) -> list[Ban]:
        """Take out and return the bans whose time is over, the earliest first, and no more than *most*."""
        over: list[Ban] = []
        while self._ends and self._ends[0][0] <= now_s and len(over) < most:
            end_s, client = heapq.heappop(self._ends)
            ban = self.bans.get(client)
            if ban is not None and ban.end_s == end_s:
                self.remove(ban)
                over.append(ban)
        return over
