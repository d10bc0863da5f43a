# SPDX-License-Identifier: ISC
"""The results as figures for programs, and as tables for the manual."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator

import attrs

from tests.bench.judgement.attackers import ATTACKS
from tests.bench.judgement.contest import RULES, Job
from tests.bench.judgement.innocents import INNOCENTS
from tests.bench.judgement.login import Front
from tests.bench.judgement.world import PEACE, Outcome

NOTHING = "."


@attrs.frozen
class Harm:
    """What an innocent suffers; the most in any run that is summed up."""

    hours: float = 0.0
    bans: int = 0

    def worst(self, other: "Harm") -> "Harm":
        """Return the most of both."""
        return Harm(max(self.hours, other.hours), max(self.bans, other.bans))

    def __str__(self) -> str:
        if not self.bans and self.hours < 0.05:
            return NOTHING
        hours = f"{self.hours:,.0f}" if self.hours >= 10 else f"{self.hours:.1f}"
        return f"{hours} h, {self.bans}"


class Results:
    """What became of everybody, summed up over seeds: guesses as medians, harm as the worst."""

    def __init__(self, runs: Iterable[tuple[Job, list[Outcome]]]) -> None:
        guesses: defaultdict[tuple[Front, str, str], list[int]] = defaultdict(list)
        self._harm: defaultdict[tuple[Front, str, str, bool], Harm] = defaultdict(Harm)
        for job, outcomes in runs:
            for outcome in outcomes:
                if outcome.party in ATTACKS:
                    guesses[job.front, outcome.party, job.rule].append(outcome.guesses)
                else:
                    key = job.front, outcome.party, job.rule, job.attack == PEACE
                    harm = Harm(outcome.locked_out_h, outcome.firewall_bans)
                    self._harm[key] = self._harm[key].worst(harm)
        self._guesses = {key: int(statistics.median(counts)) for key, counts in guesses.items()}
        self.fronts = list(dict.fromkeys(front for front, _, _ in guesses))

    def figures(self) -> Iterator[dict[str, object]]:
        """Yield one figure for each attacker, and two for each innocent, under each rule set."""
        for (front, attacker, rule), count in self._guesses.items():
            yield {
                "name": f"guesses, {attacker}",
                "value": count,
                "unit": "guesses",
                "rule": rule,
                "front": front.value,
                "share": round(self._share(front, attacker, rule), 5),
            }
        for (front, innocent, rule, peace), harm in self._harm.items():
            yield {
                "name": f"locked out, {innocent}",
                "value": round(harm.hours, 2),
                "unit": "h",
                "rule": rule,
                "front": front.value,
                "during": PEACE if peace else "the worst attack",
                "firewall_bans": harm.bans,
            }

    def _share(self, front: Front, attacker: str, rule: str) -> float:
        return self._guesses[front, attacker, rule] / self._guesses[front, attacker, "none"]

    def attackers(self, front: Front) -> Iterator[str]:
        """Yield the lines of the table of guesses."""
        yield from heading("Attacker")
        for attacker in ATTACKS:
            cells = [
                f"{self._guesses[front, attacker, rule]:,} ({percent(self._share(front, attacker, rule))})"
                for rule in RULES
            ]
            yield row(attacker, *cells)

    def innocents(self, front: Front, *, peace: bool) -> Iterator[str]:
        """Yield the lines of the table of harm."""
        yield from heading("Innocent")
        for innocent in INNOCENTS:
            yield row(innocent, *(str(self._harm[front, innocent, rule, peace]) for rule in RULES))


def heading(corner: str) -> Iterator[str]:
    """Yield the first two lines of a table."""
    yield row(corner, *RULES)
    yield "|" + "---|" * (len(RULES) + 1)


def row(*cells: str) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


def percent(share: float) -> str:
    """Return *share* with two digits."""
    return "100 %" if share > 0.995 else f"{share * 100:.2g} %" if share >= 0.0001 else "0 %"
