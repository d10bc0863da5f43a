# SPDX-License-Identifier: ISC
"""
Judge the judgement: guesses that reach the password check, and innocents locked out, under each compared rule set.

Prints one JSON object a line. What is simulated, and under which assumptions, stands in docs/judgement.md.
"""

import argparse
import json
import sys
from pathlib import Path

from tests.bench.judgement.contest import hold, jobs
from tests.bench.judgement.login import Front
from tests.bench.judgement.table import Results

PAGE = Path(__file__).parents[3] / "docs" / "judgement.md"
BEGIN = "<!-- made by tests/bench/judgement/main.py: begin -->"
END = "<!-- end -->"
TITLES = {
    Front.LOGIN: "Attackers use `AUTH LOGIN` at OpenSMTPD: neither passwords nor unknown users can be seen",
    Front.DOVECOT: "Attackers come to Dovecot: hashes of passwords and unknown users can be seen",
}


def arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument(
        "--full", action="store_true", help="attackers at Dovecot, too, where a sensor sees most"
    )
    parser.add_argument("--write", action="store_true", help="put the tables into docs/judgement.md")
    return parser.parse_args()


def tables(results: Results) -> str:
    """Return all tables in Markdown."""
    parts: list[str] = []
    for front in results.fronts:
        parts += [f"### {TITLES[front]}", "", *results.attackers(front), ""]
    front = results.fronts[0]
    parts += ["### Innocents while nobody attacks", "", *results.innocents(front, peace=True), ""]
    parts += [
        "### Innocents during the worst attack for them",
        "",
        *results.innocents(front, peace=False),
        "",
    ]
    return "\n".join(parts)


def write(results: Results) -> None:
    """Put the tables into the manual."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables(results)}\n{END}{after}")


def main() -> None:
    """Compare."""
    options = arguments()
    fronts = (Front.LOGIN, Front.DOVECOT) if options.full else (Front.LOGIN,)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    results = Results(hold(jobs(fronts, seeds)))
    for figure in results.figures():
        sys.stdout.write(json.dumps(figure) + "\n")
    if options.write:
        write(results)


if __name__ == "__main__":
    main()
