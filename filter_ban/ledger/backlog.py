# SPDX-License-Identifier: ISC
"""
The work that waits for the ledger's writer: in order, bounded, and safe to share between threads.

Bans and lifts are urgent; strikes, pardons, logins and tallies may wait for the next flush. Work stays here until it is done.
"""

import math
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from itertools import chain, islice, takewhile
from typing import Final

import attrs

from filter_ban.client import ClientKey
from filter_ban.model import Allowance, Ban, Login, Strike
from filter_ban.tally import Tally

BAN_CHUNK: Final = 1000  # written in about 10 ms
LIFT_CHUNK: Final = (
    100_000  # each chunk costs a look at all strikes: 2 s for this one beside a million of them
)
COUNTED_CHUNK: Final = 4000  # written in about 50 ms, for which a ban may have to wait
LOGIN_CHUNK: Final = 2000  # the same; each dirties a page of its own
TALLY_CHUNK: Final = 2000
MAX_URGENT: Final = 1_000_000
MAX_COUNTED: Final = 100_000
MAX_LOGINS: Final = 100_000
MAX_TALLIES: Final = 50_000  # some weeks of hours


@attrs.frozen
class Lift:
    """Somebody ended the ban of a client."""

    client: ClientKey
    now_s: float
    by: str


@attrs.frozen
class Disallowance:
    """An allowance is taken out."""

    client: ClientKey


@attrs.frozen
class Pardon:
    """The strikes of one user at a client are void."""

    client: ClientKey
    user_tag: int


Urgent = Ban | Lift | Allowance | Disallowance
Counted = Strike | Pardon


class Backlog:
    """Four queues: many threads add, one takes chunks off them."""

    def __init__(
        self, max_urgent: int = MAX_URGENT, max_counted: int = MAX_COUNTED, max_logins: int = MAX_LOGINS
    ) -> None:
        self.changed = threading.Condition()  # notified when there is more to do than before
        self.urgent: deque[Urgent] = deque()
        self.counted: deque[Counted] = deque()
        self.logins: OrderedDict[tuple[ClientKey, int], Login] = OrderedDict()  # of each user only the last
        self.tallies: dict[tuple[int, str, str], int] = {}  # sums by hour, what and name; oldest hour first
        self.dropped_urgent = 0
        self.dropped_counted = 0
        self.dropped_logins = 0
        self.dropped_tallies = 0
        self._max_urgent = max_urgent
        self._max_counted = max_counted
        self._max_logins = max_logins
        self._begun_counted = 0  # how many of the oldest are being written

    def __bool__(self) -> bool:
        return bool(self.urgent or self.counted or self.logins or self.tallies)

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

    def add_logins(self, logins: Iterable[Login]) -> None:
        """Add logins; beyond the bound the oldest are dropped and counted."""
        with self.changed:
            if not self.logins:
                self.changed.notify()
            for login in logins:
                user = login.client, login.user_tag
                known = self.logins.pop(user, login)
                self.logins[user] = known if known.time_s > login.time_s else login
            while len(self.logins) > self._max_logins:
                self.logins.popitem(last=False)
                self.dropped_logins += 1

    def add_tallies(self, tallies: Iterable[Tally]) -> None:
        """Add tallies to what waits; beyond the bound the oldest are dropped, and the rows counted."""
        with self.changed:
            if not self.tallies:
                self.changed.notify()
            for tally in tallies:
                key = tally.hour, tally.what, tally.name
                self.tallies[key] = self.tallies.get(key, 0) + tally.number
            for key in list(islice(self.tallies, max(0, len(self.tallies) - MAX_TALLIES))):
                del self.tallies[key]
                self.dropped_tallies += 1

    def begin_urgent(self) -> list[Urgent]:
        """Return the oldest that are of one kind; none when there is nothing."""
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

    def begin_logins(self) -> list[Login]:
        """Return the oldest logins; none when there is nothing."""
        with self.changed:
            return list(islice(self.logins.values(), LOGIN_CHUNK))

    def end_logins(self, done: Iterable[Login]) -> None:
        """Take off what :meth:`begin_logins` returned, unless a later one has come in its place."""
        with self.changed:
            for login in done:
                user = login.client, login.user_tag
                if self.logins.get(user) is login:
                    del self.logins[user]

    def begin_tallies(self) -> list[Tally]:
        """Return the oldest tallies; none when there is nothing."""
        with self.changed:
            return [Tally(*key, number) for key, number in islice(self.tallies.items(), TALLY_CHUNK)]

    def end_tallies(self, done: Iterable[Tally]) -> None:
        """Take off what :meth:`begin_tallies` returned; what was added meanwhile stays."""
        with self.changed:
            for tally in done:
                key = tally.hour, tally.what, tally.name
                left = self.tallies.pop(key, 0) - tally.number
                if left > 0:
                    self.tallies[key] = left

    def pardon_all(self, until_s: Mapping[ClientKey, float]) -> None:
        """Remove the strikes of clients up to a time of each; only for the thread that takes off."""
        with self.changed:
            waiting, self.counted = self.counted, deque()
        kept = [
            work
            for work in waiting
            if not (isinstance(work, Strike) and work.time_s <= until_s.get(work.client, -math.inf))
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
    if not queue:
        return []
    kind = type(queue[0])
    chunk = islice(queue, LIFT_CHUNK if kind is Lift else BAN_CHUNK)
    return list(takewhile(lambda one: type(one) is kind, chunk))
