# SPDX-License-Identifier: ISC
"""The clients that ``ban`` and ``lift`` are given: arguments, or lines of standard input where an argument is ``-``."""

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from filter_ban.client import key_text, parse_network

STANDARD_INPUT: Final = "-"


@attrs.frozen
class Client:
    """One that was given; ``place`` says where: ``line 7`` of standard input, or empty for an argument."""

    text: str  # canonical
    place: str = ""


@attrs.frozen
class Mistake:
    """A text that is neither an address nor a prefix."""

    why: str
    place: str = ""


def parse_clients(
    arguments: Iterable[str], standard_input: Iterable[bytes]
) -> tuple[list[Client], list[Mistake]]:
    """Return the clients in *arguments*, in order, and the texts that are none."""
    clients, mistakes = [], []
    for text, place in _texts(arguments, standard_input):
        try:
            clients.append(Client(key_text(parse_network(text)), place))
        except ValueError as error:
            mistakes.append(Mistake(str(error), place))
    return clients, mistakes


def _texts(arguments: Iterable[str], standard_input: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    for argument in arguments:
        if argument != STANDARD_INPUT:
            yield argument, ""
            continue
        for number, line in enumerate(standard_input, 1):
            text = line.partition(b"#")[0].strip().decode(errors="backslashreplace")
            if text:
                yield text, f"line {number}"
