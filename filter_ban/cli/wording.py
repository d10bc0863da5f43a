# SPDX-License-Identifier: ISC
"""
How times, numbers and foreign texts are written for people.

What is shown comes from a daemon or a ledger that may be of another version, so nothing here trusts types: a value
that makes no sense is shown as it is, escaped and bounded.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from filter_ban.cli.document import Document
from filter_ban.config.values import duration_text
from filter_ban.text import escape, excerpt

MAX_CHARS: Final = 300
MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86_400
_LARGEST: Final = 253_402_300_799  # the end of the year 9999, in Unix seconds

TO_THE_SECOND: Final = "%Y-%m-%d %H:%M:%S UTC"
TO_THE_MINUTE: Final = "%Y-%m-%d %H:%M"  # for tables whose head names UTC
LOCAL: Final = "%Y-%m-%d %H:%M:%S %Z"  # in the time zone of whoever reads


def shown(value: object) -> str:
    """
    Return *value* printable, on one line and bounded; nothing is a dash.

    Daemon and ledger hold escaped text; that is printable and stays as it is.
    """
    text = "-" if value is None or value == "" else str(value)
    return text if text.isprintable() and len(text) <= MAX_CHARS else excerpt(text, MAX_CHARS)


def printable(text: str) -> str:
    """Return our own text of several lines, with whatever foreign text it quotes made printable."""
    return "\n".join(line if line.isprintable() else escape(line) for line in text.split("\n"))


def is_number(value: object) -> bool:
    """Return whether *value* is a number that can be a moment, a length of time or a count."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def moment(time_s: Any, form: str = TO_THE_SECOND) -> str:
    """Return a moment, in UTC unless *form* is LOCAL."""
    if not is_number(time_s):
        return shown(time_s)
    return time.strftime(form, time.localtime(time_s) if form == LOCAL else time.gmtime(time_s))


def span(seconds: float) -> str:
    """Return a length of time roughly, with two units at most: ``3d4h``, ``1h48m``, ``12m``, ``30s``."""
    step = HOUR_S if seconds >= DAY_S else MINUTE_S if seconds >= 5 * MINUTE_S else 1
    return duration_text(round(seconds / step) * step)


def since(start_s: Any, now_s: float, form: str = TO_THE_SECOND) -> str:
    """Return a moment of the past and how long ago it was."""
    if not is_number(start_s):
        return shown(start_s)
    return f"{moment(start_s, form)} ({span(max(0.0, now_s - start_s))} ago)"


def until(end_s: Any, now_s: float, form: str = TO_THE_SECOND) -> str:
    """Return the end of a ban and how far away it is; None is until lifted."""
    if end_s is None:
        return "lifted"
    if not is_number(end_s):
        return shown(end_s)
    return f"{moment(end_s, form)} ({f'in {span(end_s - now_s)}' if end_s > now_s else 'over'})"


def count(value: Any, noun: str = "") -> str:
    """Return a number with separators and its noun in the right form: ``1 ban``, ``2,000 bans``."""
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else shown(value)
    return f"{text} {noun}{'' if value == 1 else 's'}" if noun else text


def weight(value: Any) -> str:
    """Return a number of strikes: ``5``, ``0.2``."""
    return f"{value:g}" if is_number(value) else shown(value)


def node(document: Document) -> str:
    """Return which node a ban or strike is from, and where it holds if that is there alone."""
    if document.get("here"):
        return "here only"
    return shown(document["node"]) if document.get("node") else "here"


def tells_nodes(documents: Iterable[Document]) -> bool:
    """Return whether *documents* are not all of this node, for all."""
    return any(document.get("node") or document.get("here") for document in documents)


_ENFORCEMENT: Final = {
    "in-band": "dialogue only",
    "pending": "pending",
    "in-force": "in force",
    "failed": "failed",
    "drifted": "missing",
    "unknown": "unknown",
}


def enforcement(state: Any) -> str:
    """Return the word for the state of a ban's entry in the firewall."""
    return _ENFORCEMENT.get(str(state)) or shown(state)


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield *rows* as lines with aligned columns, two blanks apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths[-1:] = [0]  # nothing follows the last one
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths))


def indented(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield *rows* as indented lines with aligned columns."""
    return (f"  {line}" for line in columns([*rows]))
