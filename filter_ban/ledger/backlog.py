# SPDX-License-Identifier: ISC
"""
The work that waits for the ledger's writer: in order, bounded, and safe to share between threads.

Bans and lifts are urgent; strikes and pardons may wait for the next flush. Work stays here until it is done.
"""

import threading
from collections import deque
from collections.abc import Collection, Iterable
from itertools import chain, groupby, islice
from typing import Final

import attrs

from filter_ban.client import ClientKey
from filter_ban.model import Ban, Strike

URGENT_CHUNK: Final = 1000  # written in about 10 ms
COUNTED_CHUNK: Final = 4000  # written in about 50 ms, for which a ban may have to wait
MAX_URGENT: Final = 1_000_000
MAX_COUNTED: Final = 100_000


@attrs.frozen
class Lift:
    """Somebody ended the ban of a client."""

    client: ClientKey
    now_s: float
    by: str


@attrs.frozen
class Pardon:
    """The strikes of one user at a client are void."""

    client: ClientKey
    user_tag: int


Urgent = Ban | Lift
Counted = Strike | Pardon


class Backlog:
    """Two queues: many threads add, one takes chunks off them."""

    def __init__(self, max_urgent: int = MAX_URGENT, max_counted: int = MAX_COUNTED) -> None:
        self.changed = threading.Condition()  # notified when there is more to do than before
        self.urgent: deque[Urgent] = deque()
        self.counted: deque[Counted] = deque()
        self.dropped_urgent = 0
        self.dropped_counted = 0
        self._max_urgent = max_urgent
        self._max_counted = max_counted
        self._begun_counted = 0  # how many of the oldest are being written

    def __bool__(self) -> bool:
        return bool(self.urgent or self.counted)

    def add_urgent(self, work: Iterable[Urgent]) -> None:
        """Add bans and lifts; beyond the bound, which is that of the daemon's memory, they are dropped and counted."""
        with self.changed:
            self.urgent.extend(work)
            while len(self.urgent) > self._max_urgent:
                self.urgent.pop()
                self.dropped_urgent += 1
            self.changed.notify()

    def add_counted(self, work: Iterable[Counted]) -> None:
        """Add strikes and pardons; beyond the bound the oldest, which soon leave their window, are dropped and counted."""
        with self.changed:
            if not self.counted:
                self.changed.notify()
            self.counted.extend(work)
            while len(self.counted) > self._max_counted:
                self.counted.popleft()
                self.dropped_counted += 1
                self._begun_counted = max(0, self._begun_counted - 1)

    def begin_urgent(self) -> list[Urgent]:
        """Return the oldest bans, or the oldest lifts by one hand; none when there is nothing."""
        with self.changed:
            return _oldest_alike(self.urgent)

    def end_urgent(self, done: list[Urgent]) -> None:
        """Take off what :meth:`begin_urgent` returned."""
        with self.changed:
            for _ in done:
                self.urgent.popleft()

    def begin_counted(self) -> list[Counted]:
        """Return the oldest strikes and pardons; none when there is nothing."""
        with self.changed:
            begun = list(islice(self.counted, COUNTED_CHUNK))
            self._begun_counted = len(begun)
            return begun

    def end_counted(self) -> None:
        """Take off what :meth:`begin_counted` returned last."""
        with self.changed:
            for _ in range(self._begun_counted):
                self.counted.popleft()

    def pardon_all(self, clients: Collection[ClientKey], until_s: float) -> None:
        """Remove the strikes of *clients* up to a time; only for the thread that takes off."""
        with self.changed:
            waiting, self.counted = self.counted, deque()
        kept = [
            work
            for work in waiting
            if not (isinstance(work, Strike) and work.client in clients and work.time_s <= until_s)
        ]
        with self.changed:
            self.counted = deque(chain(kept, self.counted))


def settle(work: Iterable[Counted]) -> tuple[list[Strike], set[tuple[ClientKey, int]]]:
    """Return the strikes that no later pardon voids, in their order, and the users whose earlier ones are void."""
    strikes = []
    pardoned: set[tuple[ClientKey, int]] = set()
    for one in reversed([*work]):
        user = one.client, one.user_tag
        if isinstance(one, Pardon):
            pardoned.add(user)
        elif user not in pardoned:
            strikes.append(one)
    return strikes[::-1], pardoned


def _oldest_alike(queue: deque[Urgent]) -> list[Urgent]:
    for _, alike in groupby(
        islice(queue, URGENT_CHUNK), lambda one: isinstance(one, Lift) and (one.now_s, one.by)
    ):
        return list(alike)
    return []
