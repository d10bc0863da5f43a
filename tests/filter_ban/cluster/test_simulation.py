# SPDX-License-Identifier: ISC
"""A farm on a simulated network: whatever is lost, late, twice or forged, all nodes come to the same strikes and bans."""

import pytest

from tests.bench.cluster.rate import Rate
from tests.bench.cluster.scenarios import SCENARIOS, Scenario, haste, overflow

SEEDS = (1, 2, 3)
NODES = 5
BOTS = 48
MOST_HEALED_S = 3.0  # a connect of 1.2, a pause of 0.6, the patience with those who may say a ban first
MOST_DELAY_S = 0.3


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_convergence(scenario: Scenario, seed: int) -> None:
    """Within seconds all nodes agree again; no innocent was banned, and every guesser was."""
    outcome = scenario(seed, NODES, BOTS)
    assert outcome.healed_s <= MOST_HEALED_S
    assert outcome.disagreements == []
    assert outcome.wronged == []
    assert outcome.unbanned == 0


def test_delay() -> None:
    """Guesses at several nodes at once are banned on the last of them within 0.3 seconds of simulated time."""
    assert haste(1, NODES, BOTS).delay_s(1) < MOST_DELAY_S


def test_overflow() -> None:
    """Where a buffer is too small strikes are lost, and told of, but no ban."""
    outcome = overflow(1, NODES, BOTS)
    assert outcome.farm.nodes[1].member.outgoing.dropped > 0
    assert [text for text in outcome.disagreements if ": ban " in text] == []
    assert outcome.unbanned == 0


def test_same_seed() -> None:
    """The same seed gives the same history."""
    assert haste(1, NODES, BOTS).delays_s == haste(1, NODES, BOTS).delays_s


def test_many_signals() -> None:
    """Nothing is lost of a flood of signals."""
    rate = Rate.measure(1, simulated_s=0.1, signals_a_s=20_000)
    assert rate.agree
    assert rate.signals == 2000
