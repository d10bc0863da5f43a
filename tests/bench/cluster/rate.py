# SPDX-License-Identifier: ISC
"""What signals cost: a farm that folds 100,000 of them a second, the size of a message, a join."""

import gc
import random
import time
from typing import Final, Self

import attrs

from filter_ban.client import make_key
from filter_ban.cluster.message import Header, pack
from filter_ban.cluster.notice import Encoder
from filter_ban.model import Kind, Strike
from tests.bench.cluster.farm import Farm
from tests.bench.cluster.node import SECRET_BITS, Node
from tests.bench.cluster.world import START_S

SIGNALS_A_S: Final = 100_000
NODES: Final = 10
FAILURES_A_CLIENT: Final = 2  # on average: few are banned, and each signal is worth telling
_STEP_S: Final = 0.01
_CLIENTS: Final = 1 << 24


class MeteredNode(Node):
    """A node that knows what folding has cost it."""

    folding_s = 0.0  # of processor time

    def heard(self, shard: int, header: Header, message: bytes, shift_s: int) -> None:
        """Fold a message."""
        begun_s = time.process_time()
        super().heard(shard, header, message, shift_s)
        self.folding_s += time.process_time() - begun_s


@attrs.frozen(kw_only=True)
class Rate:
    """
    What a simulated time of many signals has cost.

    ``folded_a_s`` are signals by second of one node's processor time, from the message to the engine's histories.
    """

    signals: int
    simulated_s: float
    real_s: float
    processor_s: float
    folded: int
    folded_a_s: float
    store_bytes: int
    agree: bool

    @classmethod
    def measure(cls, seed: int, simulated_s: float = 1.0, signals_a_s: int = SIGNALS_A_S) -> Self:
        """Let *signals_a_s* failed logins a second come to ten nodes for *simulated_s*."""
        farm = Farm(seed, [0.0] * NODES, node=MeteredNode)
        farm.world.run(1)
        flood = Flood(farm, signals_a_s)
        begun_s, begun_processor_s = time.perf_counter(), time.process_time()
        while flood.signals < signals_a_s * simulated_s:
            flood.step()
            farm.world.run(_STEP_S)
        farm.world.run(1)
        real_s, processor_s = time.perf_counter() - begun_s, time.process_time() - begun_processor_s
        nodes = [node for node in farm.nodes if isinstance(node, MeteredNode)]
        folded = sum(node.member.folded for node in nodes)
        return cls(
            signals=flood.signals,
            simulated_s=simulated_s,
            real_s=real_s,
            processor_s=processor_s,
            folded=folded,
            folded_a_s=folded / sum(node.folding_s for node in nodes),
            store_bytes=sum(store.bytes_added for store in farm.stores),
            agree=not farm.disagreements() and not any(node.member.outgoing for node in nodes),
        )


class Flood:
    """Failed logins by so many clients that most stay below every limit."""

    def __init__(self, farm: Farm, signals_a_s: int) -> None:
        self.signals = 0
        self._farm = farm
        self._chance = random.Random(farm.world.chance.random())
        self._a_step = round(signals_a_s * _STEP_S)
        first = self._chance.randrange(_CLIENTS)
        self._clients = [
            make_key((10 << 24 | (first + number * 7919) % _CLIENTS).to_bytes(4), 32)
            for number in range(signals_a_s // FAILURES_A_CLIENT)
        ]

    def step(self) -> None:
        """Let the failures of one step come."""
        chance, nodes = self._chance, self._farm.nodes
        for _ in range(self._a_step):
            self.signals += 1
            client = chance.choice(self._clients)
            user = 1 + chance.getrandbits(24)
            chance.choice(nodes).log_in(client, user, self.signals, is_right=False)


def message_bytes(strikes: int) -> float:
    """Return what one strike takes in a stream, in a message of so many, without what the store adds."""
    chance = random.Random(strikes)
    encoder = Encoder(SECRET_BITS)
    rows = [encoder.encode(_strike(chance)) for _ in range(strikes)]
    header = Header(
        node="mx1.example.org", started=int(START_S * 1000), first=1, count=strikes, offset_s=0.001
    )
    return len(pack(header, rows)) / strikes


def _strike(chance: random.Random) -> Strike:
    client = make_key(chance.randbytes(4), 32)
    user, secret = chance.getrandbits(32), chance.getrandbits(32)
    time_s = START_S + chance.random() * 1000
    return Strike(client, time_s, Kind.AUTH_FAIL, 1.0, "", user, "192.0.2.1:587", secret, stranger=True)


def join_s(seed: int, bans: int) -> float:
    """Return the processor time in which a node folds a snapshot of so many *bans*."""
    farm = Farm(seed, [0.0], node=MeteredNode)
    farm.world.run(1)
    for number in range(bans):
        farm.nodes[0].ban(make_key((10 << 24 | number).to_bytes(4), 32), 86_400)
    farm.world.run(400)
    gc.collect()
    newcomer = farm.add_node()
    farm.world.run(10)
    assert isinstance(newcomer, MeteredNode)
    assert len(newcomer.engine.bans) == bans
    return newcomer.folding_s
