# SPDX-License-Identifier: ISC
"""The bans of others, handed to the daemon in requests of some thousand, and what became of each."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

import click

from filter_ban.cli import wording
from filter_ban.cli.document import Document
from filter_ban.cli.errand import SPOKEN_SINGLY, Outcome, ask_for_each, broken_off
from filter_ban.cli.failures import Exit, Unavailable
from filter_ban.cli.reading import print_json
from filter_ban.cli.wording import count, printable, shown
from filter_ban.client import key_text
from filter_ban.config import Config
from filter_ban.exchange.holding import Entry, Fault, Holding

_REFUSED: Final = "refused"
_WORDS: Final = {"banned": "imported"}  # for the daemon's, where another one says it better
_CONDITIONAL: Final = {"banned": "would be imported", "extended": "would be extended"}


class Takeover:
    """
    Has the entries of *holding* banned, and tells what became of each.

    Args:
        holding: What a source holds.
        end_s: End of those without one; None is until lifted.
        dry_run: Whether only to ask what would become of them.
        as_json: Whether to print one JSON document.

    """

    def __init__(self, holding: Holding, end_s: int | None, *, dry_run: bool, as_json: bool) -> None:
        self._holding = holding
        self._end_s = end_s
        self._dry_run = dry_run
        self._as_json = as_json
        self._outcomes = [_of_fault(fault) for fault in holding.faults]
        self._totals: Counter[str] = Counter()

    def run(self, config: Config) -> Exit:
        """
        Ask the daemon of *config*, and return the exit status.

        Raises:
            Unavailable: no daemon, or it went away in between; what was done until then is told.

        """
        entries = self._holding.entries
        complain(self._holding.faults, self._holding.unnamed_faults)
        broken: Unavailable | None = None
        if entries:
            try:
                for outcome in ask_for_each("ban", config, entries, self._wish, {"dry_run": self._dry_run}):
                    self._outcomes.append(outcome)
                    self._say(outcome)
            except Unavailable as unavailable:
                broken = unavailable
        self._sum_up()
        if broken is not None:
            done = 0 if self._dry_run else len(self._outcomes) - len(self._holding.faults)
            raise broken_off(broken, done, len(entries))
        return Exit.REFUSED if self._totals[_REFUSED] else Exit.DONE

    def _wish(self, entry: Entry) -> Document:
        end_s = self._end_s if entry.end_s is None else entry.end_s
        return {"client": key_text(entry.client), "end": end_s, "reason": entry.reason}

    def _say(self, outcome: Outcome) -> None:
        if outcome.name == _REFUSED:
            client, why = shown(outcome.document.get("client")), shown(outcome.document.get("why"))
            _warn(f"{outcome.place}: {client}: {why}")
        elif not self._as_json and (self._dry_run or len(self._holding.entries) <= SPOKEN_SINGLY):
            click.echo(sentence(outcome.document, dry_run=self._dry_run))

    def _sum_up(self) -> None:
        holding = self._holding
        words = _CONDITIONAL if self._dry_run else _WORDS
        self._totals = Counter(words.get(outcome.name, outcome.name) for outcome in self._outcomes)
        self._totals[_REFUSED] += holding.unnamed_faults
        self._totals["expired"] = holding.over
        self._totals = +self._totals
        if self._as_json:
            results = [outcome.document | {"place": outcome.place} for outcome in self._outcomes]
            print_json({"dry_run": self._dry_run, "totals": self._totals, "results": results})
            return
        totals = [f"{count(number)} {shown(name)}" for name, number in self._totals.items()]
        click.echo(f"{shown(holding.origin)}: {', '.join(totals) or 'nothing to import'}")


def sentence(result: Document, *, dry_run: bool) -> str:
    """Return in words what became of an entry, or what would become of it."""
    end, client = wording.until(result.get("end"), time.time()), shown(result.get("client"))
    if dry_run:
        match result.get("outcome"):
            case "banned":
                what = f"would be banned until {end}"
            case "extended":
                what = f"is banned already, and would be until {end}"
            case "unchanged":
                what = "would stay banned as it is"
            case other:
                what = shown(other)
        return f"{client} {what}: {shown(result.get('reason'))}"
    match result.get("outcome"):
        case "banned":
            what = f"banned until {end}"
        case "extended":
            what = f"was banned already, now until {end}"
        case "unchanged":
            what = f"stays banned until {end}"
        case other:
            what = shown(other)
    return f"{client} {what}, reference {shown(result.get('reference'))}"


def complain(faults: Sequence[Fault], unnamed: int = 0) -> None:
    """Name each fault on stderr; *unnamed* are only counted."""
    for fault in faults:
        _warn(f"{fault.place}: {fault.why}")
    if unnamed:
        _warn(f"and {count(unnamed)} more that cannot be understood")


def _warn(text: str) -> None:
    click.echo(f"filter-ban: {printable(text)}", err=True)


def _of_fault(fault: Fault) -> Outcome:
    return Outcome({"client": None, "outcome": _REFUSED, "why": fault.why}, fault.place)
