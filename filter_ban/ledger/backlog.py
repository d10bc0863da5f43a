# SPDX-License-Identifier: ISC
"""
The work that waits for the ledger's writer: in order, bounded, and safe to share between threads.

Bans and lifts are urgent; strikes, pardons, logins, tallies and memos may wait for the next flush. Work stays here until
it is done.
"""

import math
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from itertools import chain, islice, takewhile
from typing import Final

import attrs

from filter_ban.client import ClientKey
from filter_ban.model import Allowance, Ban, Login, Pardon, Strike
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
    """Somebody ended the ban of a client, whose strikes until then are void."""

    client: ClientKey
    now_s: float
    by: str


@attrs.frozen
class Disallowance:
    """An allowance is taken out."""

    client: ClientKey


@attrs.frozen
class Memo:
    """Something to be remembered by a name; None: no more."""

    name: str
    value: str | None


Urgent = Ban | Lift | Allowance | Disallowance
Counted = Strike | Pardon


class Backlog:
    """What waits, by kind: many threads add, one takes chunks off."""

    def __init__(
        self, max_urgent: int = MAX_URGENT, max_counted: int = MAX_COUNTED, max_logins: int = MAX_LOGINS
    ) -> None:
        self.changed = threading.Condition()  # notified when there is more to do than before
        self.urgent: deque[Urgent] = deque()
        self.counted: deque[Counted] = deque()
        self.logins: OrderedDict[tuple[ClientKey, int], Login] = OrderedDict()  # of each user only the last
        self.tallies: dict[tuple[int, str, str], int] = {}  # sums by hour, what and name; oldest hour first
        self.memos: dict[str, str | None] = {}  # of each name only the last value
        self.dropped_urgent = 0
        self.dropped_counted = 0
        self.dropped_logins = 0
        self.dropped_tallies = 0
        self._max_urgent = max_urgent
        self._max_counted = max_counted
        self._max_logins = max_logins
        self._begun_counted = 0  # how many of the oldest are being written
        self._remembered: dict[str, str] = {}  # memos that are done

    def __bool__(self) -> bool:
        return bool(self.urgent) or self.is_flush_due

    @property
    def is_flush_due(self) -> bool:
        """Whether there is anything that waits for the next flush."""
        return bool(self.counted or self.logins or self.tallies or self.memos)

    @property
    def is_half_full(self) -> bool:
        """Whether half of the strikes and pardons wait that may."""
        return 2 * len(self.counted) > self._max_counted

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

    def add_memos(self, memos: Mapping[str, str | None]) -> None:
        """Add values to be remembered by their names; the caller bounds how many names there are."""
        with self.changed:
            if not self.memos:
                self.changed.notify()
            self.memos.update(memos)

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

    def begin_memos(self) -> list[Memo]:
        """Return the memos; none when there is nothing."""
        with self.changed:
            return [Memo(name, value) for name, value in self.memos.items()]

    def end_memos(self, done: Iterable[Memo]) -> None:
        """Take off what :meth:`begin_memos` returned, unless another value has come in its place."""
        with self.changed:
            for memo in done:
                if self.memos.get(memo.name) == memo.value:
                    self.memos.pop(memo.name, None)
                if memo.value is None:
                    self._remembered.pop(memo.name, None)
                else:
                    self._remembered[memo.name] = memo.value

    def remember_again(self) -> None:
        """Add what was remembered once more: the file is another one."""
        with self.changed:
            self.memos = {**self._remembered, **self.memos}

    def pardon_all(self, lifts: Iterable[Lift]) -> None:
        """Remove the strikes that *lifts* void; only for the thread that takes off."""
        until_s: dict[ClientKey, float] = {}
        for lift in lifts:
            until_s[lift.client] = max(lift.now_s, until_s.get(lift.client, -math.inf))
        with self.changed:
            waiting, self.counted = self.counted, deque()
        kept = [
            work
            for work in waiting
            if not (isinstance(work, Strike) and work.time_s <= until_s.get(work.client, -math.inf))
        ]
        with self.changed:
            self.counted = deque(chain(kept, self.counted))


def settle(work: Iterable[Counted]) -> tuple[list[Strike], list[Pardon]]:
    """
    Return the strikes that no pardon added after them voids, in their order, and the pardons.

    A strike that is added after a pardon stays whatever its time: it may be one that another node told of late, and
    the engine has let it count.
    """
    strikes: list[Strike] = []
    pardons: list[Pardon] = []
    void_until_s: dict[tuple[ClientKey, int], float] = {}
    for one in reversed([*work]):
        user = one.client, one.user_tag
        until_s = void_until_s.get(user, -math.inf)
        if isinstance(one, Pardon):
            pardons.append(one)
            void_until_s[user] = max(until_s, one.time_s)
        elif one.time_s > until_s:
            strikes.append(one)
    return strikes[::-1], pardons


def _oldest_alike(queue: deque[Urgent]) -> list[Urgent]:
    if not queue:
        return []
    kind = type(queue[0])
    chunk = islice(queue, LIFT_CHUNK if kind is Lift else BAN_CHUNK)
    return list(takewhile(lambda one: type(one) is kind, chunk))
