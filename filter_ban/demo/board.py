# SPDX-License-Identifier: ISC
"""What the terminal shows: a table of clients, and below it what happened last."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import attrs
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from filter_ban.model import Ban
from filter_ban.reply import until_text

EVENTS_SHOWN: Final = 10
MAX_ROWS: Final = 6  # the actors and the newest of those who come by hand: a screen has 24 lines
BY_HAND: Final = "by hand"


@attrs.define
class Row:
    """One client in the table."""

    name: str
    tries: int = 0
    refused: int = 0
    strikes: float = 0.0
    ban: Ban | None = None


@attrs.frozen
class Event:
    """One line of what happened: to whom, and how it is to be taken."""

    time_s: float
    name: str
    text: str
    style: str = ""

    def line(self) -> Text:
        """Return the event as a line."""
        clock = time.strftime("%H:%M:%S", time.localtime(self.time_s))
        return Text.assemble((f"{clock}  ", "dim"), f"{self.name:<12} ", (self.text, self.style))


class Board:
    """
    Keeps the rows and the last events; ``on_event`` gets each event as it happens.

    Args:
        names: Of the clients that are known beforehand, by address.
        clock: Unix seconds.

    """

    def __init__(self, names: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        self.on_event: Callable[[Event], None] = lambda _event: None
        self.rows = {address: Row(name) for address, name in names.items()}
        self.events: deque[Event] = deque(maxlen=EVENTS_SHOWN)
        self._known = frozenset(names)
        self._clock = clock

    def row(self, address: str) -> Row:
        """Return the row of a client, a new one if need be."""
        row = self.rows.get(address)
        if row is None:
            visitors = [known for known in self.rows if known not in self._known]
            if len(self.rows) >= MAX_ROWS:
                del self.rows[visitors[0]]
            row = self.rows[address] = Row(BY_HAND)
        return row

    def note(self, name: str, text: str, style: str = "") -> None:
        """Add an event."""
        event = Event(self._clock(), name, text, style)
        self.events.append(event)
        self.on_event(event)

    def __rich__(self) -> RenderableType:
        """Return the table above the events."""
        lines = [event.line() for event in self.events]
        lines += [Text()] * (EVENTS_SHOWN - len(lines))  # the same height from the start
        for line in lines:
            line.truncate(79, overflow="ellipsis")
        return Group(self.table(), Text(), *lines)

    def table(self) -> Table:
        """Return the table."""
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        table.add_column("client", no_wrap=True)
        table.add_column("who", no_wrap=True)
        for heading in ("tries", "strikes", "refused"):
            table.add_column(heading, justify="right")
        table.add_column("state", no_wrap=True)
        for address, row in self.rows.items():
            state = _state(row.ban)
            table.add_row(
                address,
                row.name,
                str(row.tries),
                f"{row.strikes:g}",
                str(row.refused),
                state,
                style=_style(row),
            )
        return table


def _state(ban: Ban | None) -> str:
    if ban is None:
        return "free"
    return f"banned, ref {ban.reference}\nuntil {until_text(ban.end_s)}"


def _style(row: Row) -> str:
    if row.ban is not None:
        return "bold red"
    return "yellow" if row.strikes else "green"
