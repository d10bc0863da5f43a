# SPDX-License-Identifier: ISC
"""Who is compared, and the runs that it takes."""

import os
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import Pool
from typing import Final

import attrs

from tests.bench.judgement.attackers import ATTACKS
from tests.bench.judgement.login import Front
from tests.bench.judgement.ours import Ours
from tests.bench.judgement.peers import PEERS
from tests.bench.judgement.rule import Rule
from tests.bench.judgement.world import PEACE, Outcome, run

_MAKERS: Final[tuple[Callable[[], Rule], ...]] = (Rule, *PEERS, Ours)
RULES: Final = {make().name: make for make in _MAKERS}


@attrs.frozen
class Job:
    """One run: what, and under which rule set."""

    rule: str
    attack: str  # or PEACE
    front: Front
    seed: int


def jobs(fronts: Iterable[Front], seeds: Iterable[int]) -> list[Job]:
    """Return all runs, in the order of the tables."""
    seeds = list(seeds)
    return [
        Job(rule, attack, front, seed)
        for front in fronts
        for seed in seeds
        for rule in RULES
        for attack in (PEACE, *ATTACKS)
    ]


def hold(runs: list[Job]) -> Iterator[tuple[Job, list[Outcome]]]:
    """Yield each run with what became of everybody in it."""
    with Pool(os.cpu_count()) as pool:
        yield from zip(runs, pool.imap(_hold_one, runs), strict=True)


def _hold_one(job: Job) -> list[Outcome]:
    return run(RULES[job.rule](), job.attack, job.front, job.seed)
