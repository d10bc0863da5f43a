# SPDX-License-Identifier: ISC
"""What happens to a farm, one function each; the outcome says what must be so and how long things took."""

import math
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import attrs

from filter_ban.client import key_text
from tests.bench.cluster.farm import Farm
from tests.bench.cluster.forger import Forger
from tests.bench.cluster.link import Weather

HEAL_S: Final = 30.0
WIDE_AREA: Final = Weather(latency_s=0.03, jitter_s=0.01, loss=0.01)


@attrs.frozen(kw_only=True)
class Outcome:
    """
    What became of a farm.

    ``delays_s`` are those of :meth:`Farm.delays_s`, ascending; ``healed_s`` is how long it took after the last trouble
    until all nodes agreed.
    """

    farm: Farm
    delays_s: Sequence[float]
    healed_s: float
    disagreements: Sequence[str]
    wronged: Sequence[str]
    unbanned: int

    def delay_s(self, share: float) -> float:
        """Return what *share* of the delays are no longer than."""
        return self.delays_s[min(len(self.delays_s) - 1, math.floor(share * len(self.delays_s)))]


def peace(seed: int, nodes: int, bots: int, weather: Weather | None = None) -> Outcome:
    """Let everybody come, and nothing fail."""
    farm = Farm(seed, [0.0] * nodes, weather=weather)
    settle(farm)
    populate(farm, bots)
    farm.world.run(60)
    return conclude(farm)


def wide_area(seed: int, nodes: int, bots: int) -> Outcome:
    """Let the nodes be far from the store, and one call in a hundred be lost."""
    return peace(seed, nodes, bots, WIDE_AREA)


def partition(seed: int, nodes: int, bots: int) -> Outcome:
    """Cut two nodes off for a minute, under attack."""
    farm = Farm(seed, [0.0] * nodes)
    settle(farm)
    populate(farm, bots)
    farm.world.run(10)
    for node in farm.nodes[1:3]:
        node.cut_off(True)
    farm.world.run(60)
    for node in farm.nodes[1:3]:
        node.cut_off(False)
    return conclude(farm)


def store_away(seed: int, nodes: int, bots: int) -> Outcome:
    """Let no node reach the store for a minute: each counts alone what its neighbours count too."""
    farm = Farm(seed, [0.0] * nodes)
    settle(farm)
    populate(farm, bots)
    farm.world.run(5)
    for node in farm.nodes:
        node.cut_off(True)
    farm.world.run(60)
    for node in farm.nodes:
        node.cut_off(False)
    return conclude(farm)


def haste(seed: int, nodes: int, bots: int) -> Outcome:
    """Let guessers try everywhere at about the same time."""
    farm = Farm(seed, [0.0] * nodes)
    settle(farm)
    farm.traffic.botnet(bots, tries=40, interval_s=0.02)
    farm.world.run(10)
    return conclude(farm)


def store_emptied(seed: int, nodes: int, bots: int) -> Outcome:
    """Let one of two stores forget everything, and the other be full for a while."""
    farm = Farm(seed, [0.0] * nodes, stores=2)
    settle(farm)
    populate(farm, bots)
    farm.world.run(20)
    farm.stores[1].is_full = True
    farm.stores[0].restart_empty()
    farm.world.run(20)
    farm.stores[1].is_full = False
    farm.world.run(10)
    return conclude(farm)


def clocks_apart(seed: int, nodes: int, bots: int) -> Outcome:
    """Let clocks be wrong by up to three minutes."""
    farm = Farm(seed, [(number - nodes // 2) * 360.0 / nodes for number in range(nodes)])
    settle(farm)
    populate(farm, bots)
    farm.world.run(60)
    return conclude(farm)


def newcomers(seed: int, nodes: int, bots: int) -> Outcome:
    """Let one node lose its memory, and one that has none join."""
    farm = Farm(seed, [0.0] * nodes)
    settle(farm)
    populate(farm, bots)
    farm.world.run(45)
    farm.nodes[2].restart_empty()
    farm.world.run(5)
    farm.add_node()
    farm.world.run(10)
    return conclude(farm)


def upgrade(seed: int, nodes: int, bots: int) -> Outcome:
    """Restart one node after the other, each with what its ledger has."""
    farm = Farm(seed, [0.0] * nodes)
    settle(farm)
    populate(farm, bots)
    for node in farm.nodes:
        farm.world.run(50 / nodes)
        node.restart()
    farm.world.run(10)
    return conclude(farm)


def overflow(seed: int, nodes: int, bots: int) -> Outcome:
    """Cut one node off for longer than its buffer lasts; strikes are lost then, and no ban."""
    farm = Farm(seed, [0.0] * nodes, buffer=8)
    settle(farm)
    populate(farm, bots)
    farm.world.run(10)
    farm.nodes[1].cut_off(True)
    farm.world.run(40)
    farm.nodes[1].cut_off(False)
    return conclude(farm)


def forgery(seed: int, nodes: int, bots: int) -> Outcome:
    """Let somebody write into the store who has not the key, and a friend of one node guess."""
    farm = Farm(seed, [0.0] * nodes)
    friend = farm.traffic.client()
    farm.nodes[1].spare({friend})
    settle(farm)
    populate(farm, bots)
    farm.traffic.friend(friend, 20, 5.0)
    forger = Forger(farm)
    farm.world.every(0.5, forger.forge)
    farm.world.every(0.5, forger.replay)
    farm.world.run(60)
    return conclude(farm)


Scenario: TypeAlias = Callable[[int, int, int], Outcome]
SCENARIOS: Final[tuple[Scenario, ...]] = (
    peace,
    haste,
    wide_area,
    partition,
    store_away,
    store_emptied,
    clocks_apart,
    newcomers,
    upgrade,
    forgery,
)


def settle(farm: Farm) -> None:
    """Let all nodes join."""
    farm.seconds_until(lambda: all(node.courier.is_current for node in farm.nodes), HEAL_S)


def populate(farm: Farm, bots: int) -> None:
    """Let a botnet come, and a sixth as many of each other kind."""
    traffic = farm.traffic
    traffic.botnet(bots, tries=12, interval_s=8.0)
    traffic.people(bots // 6, 5.0)
    traffic.phones(bots // 6, 12, 6.0, known=True)
    traffic.phones(bots // 6, 12, 6.0, known=False)
    traffic.operators(bots // 6, 10.0)


def conclude(farm: Farm) -> Outcome:
    """Wait until all nodes agree, and see how things are."""
    healed_s = farm.seconds_until(lambda: not farm.disagreements(), HEAL_S)
    farm.world.run(60)
    delays_s = farm.delays_s()
    return Outcome(
        farm=farm,
        delays_s=delays_s,
        healed_s=healed_s,
        disagreements=farm.disagreements(),
        wronged=[key_text(client) for client in sorted(farm.wronged())],
        unbanned=sum(math.isinf(delay_s) for delay_s in delays_s),
    )
