# SPDX-License-Identifier: ISC
"""What a node has to say, by shard, until the store has it: bounded, and in messages that stay as they are."""

import math
from collections import OrderedDict, deque
from itertools import islice
from typing import Final

from filter_ban.client import ClientKey
from filter_ban.cluster.message import MAX_NOTICES, Header, pack
from filter_ban.cluster.notice import Allowed, Disallowed, Encoder, Lifted, Notice, subject, time_of
from filter_ban.cluster.shards import shard_of
from filter_ban.model import Ban

URGENT: Final = (Ban, Lifted, Allowed, Disallowed)


class Outgoing:
    """
    Notices on their way out.

    Bans, lifts and allowances go first and are never dropped: of each client the last of each kind is kept. Of the rest
    the oldest are dropped where there are too many.

    Args:
        encoder: Makes rows of notices.
        node: Who speaks.
        started: See :mod:`filter_ban.cluster.message`.
        shards: How many there are.
        most: Notices that are kept, beside the urgent ones.

    """

    def __init__(self, encoder: Encoder, *, node: str, started: int, shards: int, most: int) -> None:
        self.dropped = 0
        self.published = 0
        self._encoder = encoder
        self._node = node
        self._started = started
        self._shards = [_Shard(max(1, most // shards)) for _ in range(shards)]

    def __len__(self) -> int:
        return sum(map(len, self._shards))

    def add(self, notice: Notice) -> int:
        """Take *notice*; return its shard."""
        client = subject(notice)
        number = shard_of(client, len(self._shards))
        shard = self._shards[number]
        if isinstance(notice, URGENT):
            shard.urgent.pop((type(notice), client), None)
            shard.urgent[type(notice), client] = notice
        else:
            if len(shard.others) == shard.others.maxlen:
                self.dropped += 1
            shard.others.append(notice)
        return number

    def recall(self, notice: Notice) -> int:
        """Take *notice*, older than all that wait; return its shard. Where there is no room it is the oldest to be dropped."""
        number = shard_of(subject(notice), len(self._shards))
        others = self._shards[number].others
        if len(others) == others.maxlen:
            self.dropped += 1
        else:
            others.appendleft(notice)
        return number

    def since_s(self) -> float:
        """Return when the oldest happened of what waits and is not urgent, in Unix seconds; infinite: nothing waits."""
        return min(shard.since_s for shard in self._shards)

    def waits(self, shard: int) -> bool:
        """Return whether there is something to take."""
        one = self._shards[shard]
        return one.message is None and bool(one.urgent or one.others)

    def take(self, shard: int) -> tuple[Header, bytes] | None:
        """Return the next message of *shard*; None while one is on its way, or there is nothing to say."""
        if not self.waits(shard):
            return None
        one = self._shards[shard]
        since_s = one.since_s
        notices = one.take(MAX_NOTICES)
        header = Header(
            node=self._node,
            started=self._started,
            first=one.next,
            count=len(notices),
            dropped=self.dropped,
        )
        one.next += len(notices)
        one.message_since_s = since_s
        one.message = header, pack(header, [self._encoder.encode(notice) for notice in notices])
        return one.message

    def on_their_way(self) -> list[tuple[int, Header, bytes]]:
        """Return the messages that were taken and are not known to be published, with their shards."""
        return [(shard, *one.message) for shard, one in enumerate(self._shards) if one.message is not None]

    def confirm(self, shard: int, first: int) -> None:
        """Take note that the message of *shard* that begins with the notice *first* is published."""
        one = self._shards[shard]
        if one.message is not None and one.message[0].first == first:
            self.published += one.message[0].count
            one.message = None
            one.message_since_s = math.inf


class _Shard:
    def __init__(self, most: int) -> None:
        self.urgent: OrderedDict[tuple[type[Notice], ClientKey], Notice] = OrderedDict()
        self.others: deque[Notice] = deque(maxlen=most)
        self.next = 1  # number of the next notice
        self.message: tuple[Header, bytes] | None = None  # on its way
        self.message_since_s = math.inf

    def __len__(self) -> int:
        return len(self.urgent) + len(self.others) + (0 if self.message is None else self.message[0].count)

    @property
    def since_s(self) -> float:
        waiting_s = time_of(self.others[0]) if self.others else math.inf
        return min(self.message_since_s, waiting_s)

    def take(self, most: int) -> list[Notice]:
        notices = [self.urgent.pop(key) for key in list(islice(self.urgent, most))]
        return notices + [self.others.popleft() for _ in range(min(most - len(notices), len(self.others)))]
