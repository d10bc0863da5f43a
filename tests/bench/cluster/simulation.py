# SPDX-License-Identifier: ISC
"""
A farm of mail servers with one memory, simulated: nodes, network and store in one process and on one clock.

Prints one JSON object a line: for each scenario how many nodes disagree in the end about a ban or the strikes of a client,
how many were banned who must not be, and how many were not who must; how long it took until all agreed after the trouble,
or, where there was none, from the failure that decided until the ban on the last node, in simulated time. Then what
signals cost on this machine. The exit status is 1 if something was not as it must be.

    python tests/bench/cluster/simulation.py [--seed N] [--nodes N] [--bots N]
"""

import argparse
import math
import sys

from filter_ban.daemon import garbage
from tests.bench.cluster.rate import Rate, join_s, message_bytes
from tests.bench.cluster.scenarios import SCENARIOS, Scenario, haste, peace, wide_area
from tests.bench.figure import show

BANS = 100_000
BATCHES = (1, 10, 500)
UNTROUBLED = (peace, haste, wide_area)


def show_outcome(scenario: Scenario, seed: int, nodes: int, bots: int) -> bool:
    """Print what becomes of a farm; return whether that is as it must be."""
    name, outcome = scenario.__name__, scenario(seed, nodes, bots)
    wrong = (len(outcome.disagreements), len(outcome.wronged), outcome.unbanned)
    for what, number in zip(("disagreements", "wronged", "unbanned"), wrong, strict=True):
        show(f"cluster_{name}_{what}", number, "")
    if scenario in UNTROUBLED:
        for share in (50, 99):
            show(f"cluster_{name}_last_ban_p{share}", outcome.delay_s(share / 100) * 1000, "simulated ms")
    elif math.isfinite(outcome.healed_s):
        show(f"cluster_{name}_healed", outcome.healed_s, "simulated s")
    return not any(wrong)


def show_rate(seed: int) -> bool:
    """Print what 100,000 signals a second cost; return whether all nodes agreed."""
    rate = Rate.measure(seed)
    show("cluster_signals", rate.signals / rate.simulated_s, "signals/simulated s")
    show("cluster_real_per_simulated_second", rate.real_s / rate.simulated_s, "s")
    show("cluster_cpu_per_simulated_second", rate.processor_s / rate.simulated_s, "s")
    show("cluster_folded_per_cpu_second_and_node", rate.folded_a_s, "signals/s")
    show("cluster_stream_bytes_per_signal", rate.store_bytes / rate.signals, "bytes")
    return rate.agree


def main() -> int:
    """Simulate, measure, and return the exit status."""
    parser = argparse.ArgumentParser(description="simulate a farm of mail servers with one memory")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--bots", type=int, default=300)
    asked = parser.parse_args()
    garbage.keep_short()
    fine = [show_outcome(scenario, asked.seed, asked.nodes, asked.bots) for scenario in SCENARIOS]
    fine.append(show_rate(asked.seed))
    for strikes in BATCHES:
        show(f"cluster_bytes_per_strike_in_{strikes}", message_bytes(strikes), "bytes")
    show("cluster_join_cpu", join_s(asked.seed, BANS), "s")
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
