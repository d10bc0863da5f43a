# SPDX-License-Identifier: ISC
"""
Chaos on real daemons, seeded: operators, clients and troubles at random, with clocks minutes apart; then all heals.

After each round all nodes, kernels and ledgers must agree, what was said last must hold, also after a restart of each
daemon, and every answer must have come at once. Prints one JSON object a line; what went wrong, and what happened before
it, goes to standard error. The exit status is 1 if something was wrong. Needs root, nftables and Debian's redis-tools;
without them it says so on stderr and prints nothing.

    python tests/bench/cluster_chaos.py [--seed N] [--rounds N] [--seconds N] [--nodes N] [--story]

The same seed gives the same acts and troubles as long as they take the same time.
"""

import argparse
import random
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import Final

from tests.bench.chaos import verdict
from tests.bench.chaos.acts import Acts
from tests.bench.chaos.memory import Memory
from tests.bench.chaos.probe import NEVER, Probe
from tests.bench.chaos.story import Story
from tests.bench.chaos.troubles import Troubles
from tests.bench.figure import show
from tests.real.debian_root import RootUnavailableError
from tests.real.farm import Farm
from tests.real.store import REASON, StoreProgram, find_redis

AHEADS_S: Final = (0.0, 240.3, -180.2, 0.4, -61.3)  # of the nodes' clocks
PAUSE_S: Final = 0.3
ACTS: Final = 0.75  # their share in all that happens


def live(seconds: float, acts: Acts, troubles: Troubles, chance: random.Random) -> None:
    """Let things happen, and all troubles end."""
    end_s = time.monotonic() + seconds
    try:
        while time.monotonic() < end_s:
            troubles.heal(all_of_them=False)
            (acts if chance.random() < ACTS else troubles).one()
            time.sleep(chance.uniform(0.0, PAUSE_S))
    finally:
        troubles.heal()


def judge(farm: Farm, acts: Acts, story: Story) -> None:
    """Wait until all nodes are well and agree, and tell what is not as it must be."""
    nodes = farm.nodes
    wrong = verdict.settled(lambda: chain(verdict.health(nodes), verdict.agreement(nodes, acts)))
    wrong += verdict.settled(lambda: verdict.kernels(nodes))
    wrong += chain.from_iterable(verdict.justice(node, acts) for node in nodes)
    for what in wrong:
        story.fault(what)
    story.note(f"{len(acts.common())} clients compared, the strikes of {len(acts.counted())}")


def restart(farm: Farm, acts: Acts, probe: Probe, story: Story) -> None:
    """Restart one node after the other; each must know what it knew."""
    before = [Memory.of(node, acts.counted()) for node in farm.nodes]
    for node in farm.nodes:
        with probe.absent(node):
            node.stop()
            node.start()
    for what in verdict.settled(lambda: verdict.persistence(farm.nodes, before, acts)):
        story.fault(what)


def play(program: StoreProgram, folder: Path, asked: argparse.Namespace, story: Story) -> float:
    """Live and judge so many rounds; return what the slowest answer took, in seconds."""
    chance = random.Random(asked.seed)
    with Farm(folder, program) as farm:
        for number in range(asked.nodes):
            farm.add(ahead_s=AHEADS_S[number % len(AHEADS_S)], never=(NEVER,)).start()
        farm.wait_until_current()
        with Probe(farm.nodes, story) as probe:
            acts = Acts(farm, probe, chance, story)
            troubles = Troubles(farm, probe, acts, chance, story)
            for number in range(asked.rounds):
                story.note(f"round {number + 1}")
                live(asked.seconds, acts, troubles, chance)
                judge(farm, acts, story)
                restart(farm, acts, probe, story)
                judge(farm, acts, story)
        for what in verdict.logs(farm.nodes):
            story.fault(what)
    for what in verdict.settled(lambda: verdict.leftovers(folder)):
        story.fault(what)
    return probe.slowest_s


def find_program() -> StoreProgram | None:
    """Return what runs as the store; None, after saying why, where there can be no farm."""
    reason = REASON
    if not reason:
        try:
            return find_redis()
        except RootUnavailableError as error:
            reason = str(error)
    print(f"cluster_chaos: {reason}", file=sys.stderr)
    return None


def main() -> int:
    """Play, and return the exit status."""
    parser = argparse.ArgumentParser(description="chaos on a farm of real daemons")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each round, until all heals")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--story", action="store_true", help="tell all that happens, as it happens")
    asked = parser.parse_args()
    program = find_program()
    if program is None:
        return 0
    story = Story(is_told=asked.story)
    try:
        with tempfile.TemporaryDirectory() as folder:
            slowest_s = play(program, Path(folder, "farm"), asked, story)
    except BaseException:
        story.tell()
        raise
    show("cluster_chaos_faults", story.faults, "faults")
    show("cluster_chaos_events", story.events, "events")
    show("cluster_chaos_slowest_answer", 1e3 * slowest_s, "ms")
    if story.faults:
        story.tell()
    return 1 if story.faults else 0


if __name__ == "__main__":
    sys.exit(main())
