# SPDX-License-Identifier: ISC
"""
Text cut at separators, but not within braces: how Postfix reads master.cf and lists of restrictions.

Source: util/mystrtok.c, mystrtokq().
"""

from collections.abc import Iterator
from typing import Final

import attrs

BLANKS: Final = " \t\r\n"


@attrs.frozen
class Token:
    """A piece of a text, and where it stands in it."""

    text: str
    start: int
    end: int


def parse_tokens(text: str, separators: str = BLANKS) -> Iterator[Token]:
    """Yield what *separators* part; a brace that is not closed holds all the rest."""
    start, depth = -1, 0
    for at, char in enumerate(text):
        if char in separators and not depth:
            if start >= 0:
                yield Token(text[start:at], start, at)
            start = -1
            continue
        start = at if start < 0 else start
        depth = max(0, depth + (char == "{") - (char == "}"))
    if start >= 0:
        yield Token(text[start:], start, len(text))
