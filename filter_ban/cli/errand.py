# SPDX-License-Identifier: ISC
"""
``ban`` and ``lift`` have one course: check all texts, send what is good, say what became of each.

A hundred thousand clients go in requests of some thousand over one connection.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import attrs
import click

from filter_ban.cli.client_list import Client, Mistake, parse_clients
from filter_ban.cli.daemon_client import DaemonClient
from filter_ban.cli.document import Document, parts
from filter_ban.cli.failures import Exit, Unavailable
from filter_ban.cli.reading import print_json
from filter_ban.cli.wording import count, shown
from filter_ban.config import Config

CLIENTS_A_REQUEST: Final = 2000
SILENCE_S: Final = 30.0
SPOKEN_SINGLY: Final = 20  # up to so many, each outcome has its line; above, a summary tells
FAILED: Final = ("refused", "not-banned")

Sentence = Callable[[Document], str]


@attrs.frozen
class Outcome:
    """What became of one client: the daemon's document and where the client was given."""

    document: Document
    place: str = ""

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
        options: For the daemon.

    Raises:
        Unavailable: no daemon, or it went away in between; what was done until then is told.
    """
    clients, mistakes = parse_clients(arguments, sys.stdin.buffer)
    outcomes = [_refused(mistake) for mistake in mistakes]
    for outcome in outcomes:
        _complain(outcome)
    broken: Unavailable | None = None
    if clients:
        try:
            for outcome in _outcomes(command, config, clients, options):
                outcomes.append(outcome)
                _say(outcome, sentence, quiet=as_json or len(clients) > SPOKEN_SINGLY)
        except Unavailable as unavailable:
            broken = unavailable
    totals = Counter(outcome.name for outcome in outcomes)
    if as_json:
        print_json({"totals": totals, "results": [_result(outcome) for outcome in outcomes]})
    elif len(clients) > SPOKEN_SINGLY:
        click.echo(", ".join(f"{count(number)} {shown(name)}" for name, number in totals.items()))
    if broken is not None:
        done = len(outcomes) - len(mistakes)
        rest = f"; {count(done)} of {count(len(clients))} were done" if done else ""
        raise Unavailable(broken.message + rest)
    return Exit.REFUSED if any(totals[name] for name in FAILED) else Exit.DONE


def _outcomes(
    command: str, config: Config, clients: list[Client], options: dict[str, object]
) -> Iterator[Outcome]:
    with DaemonClient.find(config) as daemon:
        for at in range(0, len(clients), CLIENTS_A_REQUEST):
            batch = clients[at : at + CLIENTS_A_REQUEST]
            texts = [client.text for client in batch]
            answers = daemon.ask(command, clients=texts, silence_s=SILENCE_S, **options)
            results = [result for answer in answers for result in parts(answer, "results")]
            if len(results) != len(batch):
                raise Unavailable(
                    f"the daemon answered for {len(results)} clients of {len(batch)}; is it of another version?"
                )
            for client, result in zip(batch, results, strict=True):
                yield Outcome(result, client.place)


def _refused(mistake: Mistake) -> Outcome:
    return Outcome({"client": None, "outcome": "refused", "why": mistake.why}, mistake.place)


def _say(outcome: Outcome, sentence: Sentence, *, quiet: bool) -> None:
    if outcome.name in FAILED:
        _complain(outcome)
    elif not quiet:
        click.echo(sentence(outcome.document))


def _complain(outcome: Outcome) -> None:
    client, why = outcome.document.get("client"), shown(outcome.document.get("why"))
    what = why if client is None else f"{shown(client)}: {why}"
    click.echo(f"filter-ban: {f'{outcome.place}: ' if outcome.place else ''}{what}", err=True)


def _result(outcome: Outcome) -> Document:
    return outcome.document | ({"place": outcome.place} if outcome.place else {})
