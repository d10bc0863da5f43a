# SPDX-License-Identifier: ISC
"""
Our lines in a text of others, between two marks by which they are found again.

All is pure and leaves every other byte as it is. A text may hold several blocks: each has a title, such as ``setup pf``.
"""

import re
from collections.abc import Callable
from typing import Final

import attrs

from filter_ban.setup.files import SetupError

END: Final = "# filter-ban: end"

_BEGIN: Final = "# filter-ban: begin (written by filter-ban {})"
_MARK: Final = re.compile(r"^# filter-ban: (begin|end)\b.*(?:\n|\Z)", re.MULTILINE)


@attrs.frozen
class Span:
    """Where a block stands in a text, both marks and the end of the last line included."""

    start: int
    end: int


def block_text(title: str, lines: str) -> str:
    """Return *lines*, each with its end, between the marks of *title*."""
    return f"{_BEGIN.format(title)}\n{lines}{END}\n"


def find(text: str, title: str) -> Span | None:
    """
    Return where the block of that *title* stands; None: there is none.

    Raises:
        SetupError: a block of whatever title lacks one of its marks, or this one stands there twice.

    """
    found = None
    marks = list(_MARK.finditer(text))
    if [mark[1] for mark in marks] != ["begin", "end"] * (len(marks) // 2):
        raise SetupError(
            "of the marks '# filter-ban: begin' and '# filter-ban: end' one is missing; mend that by hand"
        )
    for begin, end in zip(marks[::2], marks[1::2], strict=True):
        if begin[0].rstrip() == _BEGIN.format(title):
            if found is not None:
                raise SetupError(
                    f"the block '{_BEGIN.format(title)}' stands there twice; take one out by hand"
                )
            found = Span(begin.start(), end.end())
    return found


def insert(text: str, at: int, title: str, lines: str) -> str:
    """Return *text* with a new block at the offset *at*; within a line, behind a new end of line."""
    before = text[:at]
    gap = "\n" if before and not before.endswith("\n") else ""
    return f"{before}{gap}{block_text(title, lines)}{text[at:]}"


def remove(text: str, title: str) -> str:
    """Return *text* without the block, as it was before :func:`insert` at the start of a line."""
    span = find(text, title)
    return text if span is None else text[: span.start] + text[span.end :]


def put(text: str, title: str, lines: str, place: Callable[[str], int]) -> str:
    """
    Return *text* with the block: where it stands already, else at the offset that *place* finds.

    A second time this changes nothing, wherever the administrator has moved the block to.
    """
    span = find(text, title)
    if span is None:
        return insert(text, place(text), title, lines)
    return text[: span.start] + block_text(title, lines) + text[span.end :]
