# SPDX-License-Identifier: ISC
"""
``ban`` and ``lift`` have one course: check all texts, send what is good, say what became of each.

A hundred thousand clients go in requests of some thousand over one connection.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol, TypeVar

import attrs
import click

from filter_ban.cli.client_list import Mistake, parse_clients
from filter_ban.cli.daemon_client import OTHER_VERSION, DaemonClient
from filter_ban.cli.document import Document, parts
from filter_ban.cli.failures import Exit, Unavailable
from filter_ban.cli.reading import print_json
from filter_ban.cli.wording import count, shown
from filter_ban.config import Config

CLIENTS_A_REQUEST: Final = 2000
SILENCE_S: Final = 30.0
SPOKEN_SINGLY: Final = 20  # up to so many, each outcome has its line; above, a summary tells
REFUSED: Final = "refused"
FAILED: Final = (REFUSED, "not-banned", "not-allowed")

Sentence = Callable[[Document], str]


class HasPlace(Protocol):
    """What was given somewhere."""

    @property
    def place(self) -> str:
        """Where."""


Placed = TypeVar("Placed", bound=HasPlace)


@attrs.frozen
class Outcome:
    """What became of one client: the daemon's document and where the client was given."""

    document: Document
    place: str = ""
    everywhere: bool | None = None  # whether other nodes are told; None: there is no cluster

    @property
    def name(self) -> str:
        """The daemon's word for it."""
        return str(self.document.get("outcome"))


def run_errand(
    command: str,
    config: Config,
    arguments: Iterable[str],
    sentence: Sentence,
    *,
    as_json: bool,
    everywhere: bool | None = None,
    **options: object,
) -> Exit:
    """
    Ask the daemon to *command* each client, print what became of them, and return the exit status.

    Args:
        command: The daemon's name for it.
        config: Says where the daemon is.
        arguments: Clients, or ``-`` for standard input.
        sentence: Says in words what became of one.
        as_json: Print one JSON document instead.
        everywhere: Whether all nodes of a cluster are to do it; None: as the daemon has it.
        options: For the daemon.

    Raises:
        Unavailable: no daemon, or it went away in between; what was done until then is told.
    """
    clients, mistakes = parse_clients(arguments, sys.stdin.buffer)
    outcomes = [_refused(mistake) for mistake in mistakes]
    for outcome in outcomes:
        _complain(outcome)
    if everywhere is not None:
        options["everywhere"] = everywhere
    broken: Unavailable | None = None
    if clients:
        try:
            for outcome in ask_for_each(command, config, clients, lambda client: client.text, options):
                outcomes.append(outcome)
                _say(outcome, sentence, quiet=as_json or len(clients) > SPOKEN_SINGLY)
        except Unavailable as unavailable:
            broken = unavailable
    totals = Counter(outcome.name for outcome in outcomes)
    if as_json:
        print_json({"totals": totals, "results": [_result(outcome) for outcome in outcomes]})
    elif len(clients) > SPOKEN_SINGLY:
        summary = ", ".join(f"{count(number)} {shown(name)}" for name, number in totals.items())
        click.echo(summary + _reach(*outcomes))
    if broken is not None:
        raise broken_off(broken, len(outcomes) - len(mistakes), len(clients))
    return Exit.REFUSED if any(totals[name] for name in FAILED) else Exit.DONE


def ask_for_each(
    command: str,
    config: Config,
    clients: Sequence[Placed],
    wish: Callable[[Placed], object],
    options: dict[str, object],
) -> Iterator[Outcome]:
    """
    Ask the daemon to *command* each of *clients*, some thousand in a request, and yield what became of them, in order.

    Args:
        command: The daemon's name for it.
        config: Says where the daemon is.
        clients: Those it is about.
        wish: Says for the daemon what is wanted of one.
        options: For the daemon.

    Raises:
        Unavailable: no daemon, or it went away in between.

    """
    is_clustered = bool(config.cluster.stores)
    with DaemonClient.find(config) as daemon:
        for at in range(0, len(clients), CLIENTS_A_REQUEST):
            batch = clients[at : at + CLIENTS_A_REQUEST]
            answers = daemon.ask(command, clients=[*map(wish, batch)], silence_s=SILENCE_S, **options)
            results = [
                (result, answer.get("everywhere"))
                for answer in answers
                for result in parts(answer, "results")
            ]
            if len(results) != len(batch):
                raise Unavailable(
                    f"the daemon answered for {len(results)} clients of {len(batch)}; {OTHER_VERSION}"
                )
            for client, (result, everywhere) in zip(batch, results, strict=True):
                yield Outcome(result, client.place, everywhere is True if is_clustered else None)


def broken_off(unavailable: Unavailable, done: int, wanted: int) -> Unavailable:
    """Return *unavailable*, which came when *done* of *wanted* clients were done."""
    rest = f"; {count(done)} of {count(wanted)} were done" if done else ""
    return Unavailable(unavailable.message + rest)


def _refused(mistake: Mistake) -> Outcome:
    return Outcome({"client": None, "outcome": REFUSED, "why": mistake.why}, mistake.place)


def _say(outcome: Outcome, sentence: Sentence, *, quiet: bool) -> None:
    if outcome.name in FAILED:
        _complain(outcome)
    elif not quiet:
        click.echo(sentence(outcome.document) + _reach(outcome))


def _reach(*outcomes: Outcome) -> str:
    """Return in words whether other nodes are told, which is the same for all *outcomes*."""
    told = next((one.everywhere for one in outcomes if one.everywhere is not None), None)
    return "" if told is None else "; the other nodes are told" if told else "; on this node only"


def _complain(outcome: Outcome) -> None:
    client, why = outcome.document.get("client"), shown(outcome.document.get("why"))
    what = why if client is None else f"{shown(client)}: {why}"
    if outcome.everywhere and outcome.name != REFUSED:
        what += _reach(outcome)
    click.echo(f"filter-ban: {f'{outcome.place}: ' if outcome.place else ''}{what}", err=True)


def _result(outcome: Outcome) -> Document:
    place = {"place": outcome.place} if outcome.place else {}
    is_told = outcome.everywhere is not None and outcome.name != REFUSED
    everywhere = {"everywhere": outcome.everywhere} if is_told else {}
    return outcome.document | everywhere | place
