# SPDX-License-Identifier: ISC
"""Somebody who may write into the store and has not the key."""

import random
from typing import Final

from filter_ban.cluster.keys import ClusterKeys
from filter_ban.cluster.message import Header, pack
from filter_ban.cluster.notice import Encoder
from filter_ban.cluster.shards import stream_name
from filter_ban.model import Ban
from tests.bench.cluster.courier import PREFIX
from tests.bench.cluster.farm import SHARDS, Farm
from tests.bench.cluster.store import BEGINNING

_DAY_S: Final = 86_400


class Forger:
    """Writes bans of innocents with a key of his own, garbage, and what others have said once more."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._store = farm.stores[0]
        self._chance = random.Random(farm.world.chance.random())
        self._keys = ClusterKeys(b"a guess")
        self._number = 0

    def forge(self) -> None:
        """Ban an innocent, in the name of a node."""
        now_s = self._farm.world.now_s
        innocent = self._chance.choice(sorted(self._farm.traffic.innocents))
        ban = Ban(
            client=innocent, start_s=int(now_s), end_s=int(now_s) + _DAY_S, rule="by hand", reason="spite"
        )
        self._number += 1
        header = Header(node="mx0", started=int(now_s * 1000), first=self._number, count=1)
        message = pack(header, [Encoder(0).encode(ban)])
        stream = stream_name(PREFIX, self._chance.randrange(SHARDS))
        self._store.add(stream, message, self._keys.seal(stream, message))
        self._store.add(stream, self._chance.randbytes(100), b"")

    def replay(self) -> None:
        """Put a genuine message into a stream for the second time: its own or another."""
        source, target = (stream_name(PREFIX, self._chance.randrange(SHARDS)) for _ in range(2))
        entries = self._store.read({source: BEGINNING}, 1000).get(source, ())
        if entries:
            entry = self._chance.choice(entries)
            self._store.add(target, entry.message, entry.tag)
            self._store.add(source, entry.message, entry.tag)
