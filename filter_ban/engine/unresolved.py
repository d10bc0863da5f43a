# SPDX-License-Identifier: ISC
"""Failures that a login may still explain: what strangers failed under siege, until their patience is over."""

import heapq
import itertools
from collections.abc import Iterator
from typing import Final

from filter_ban.client import ClientKey

MAX_UNRESOLVED: Final = 100_000

Failure = tuple[float, int, ClientKey, float, int]  # due, order, client, time of the strike, user


class Unresolved:
    """At most MAX_UNRESOLVED failures, each due *patience_s* after it happened."""

    def __init__(self, patience_s: float) -> None:
        self.patience_s = patience_s
        self._failures: list[Failure] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._failures)

    def add(self, client: ClientKey, time_s: float, user_tag: int) -> None:
        """Wait for what becomes of a failure; where there are too many already, nobody does."""
        if len(self._failures) < MAX_UNRESOLVED:
            due_s = time_s + self.patience_s
            heapq.heappush(self._failures, (due_s, next(self._numbers), client, time_s, user_tag))

    def take(self, now_s: float) -> Iterator[tuple[float, ClientKey, float, int]]:
        """Yield, and forget, what is due by now: when it was, the client, the time of the failure, the user."""
        while self._failures and self._failures[0][0] <= now_s:
            due_s, _, client, time_s, user_tag = heapq.heappop(self._failures)
            yield due_s, client, time_s, user_tag
