# SPDX-License-Identifier: ISC
"""The screen as rows of text, each exactly as wide as the terminal. Pure."""

from collections.abc import Callable
from typing import Final

from rich.text import Text

from filter_ban.cli.document import Document
from filter_ban.cli.watch import health, lists
from filter_ban.cli.watch.frame import header, key_row, said_row, title
from filter_ban.cli.watch.graph import minute_graphs
from filter_ban.cli.watch.layout import share_out
from filter_ban.cli.watch.lists import Columns
from filter_ban.cli.watch.look import BAD, CHOSEN, QUIET, Look, fitted
from filter_ban.cli.watch.pane import pane_rows
from filter_ban.cli.watch.screen import Screen
from filter_ban.cli.wording import count, shown

_ENDLESS: Final = 10_000  # rows
_INDENT: Final = 2
Row = Callable[[Document, Columns], Text]


def rows(screen: Screen, width: int, height: int, look: Look) -> list[Text]:
    """Return *height* rows of *width* cells."""
    if screen.pane is None:
        body = _body(screen, width, height, look)
    else:
        body = pane_rows(screen.pane, width, height - 2, look)
    page = [header(screen, width, look), *body]
    foot = [key_row(screen, width, look)]
    if screen.question or screen.message or screen.lost:
        said = said_row(screen, width, look)
        foot = [said, *foot] if height - len(page) > 1 else [said]
    page = page[: max(0, height - len(foot))]
    page += [Text()] * (height - len(foot) - len(page))
    return [fitted(row, width) for row in [*page, *foot][:height]]


def snapshot(screen: Screen, width: int, look: Look) -> list[Text]:
    """Return everything there is to see at once, without keys, in as many rows as it takes."""
    page = [header(screen, width, look), *_body(screen, width, _ENDLESS, look)]
    for row in page:
        row.truncate(width, overflow="crop")
        row.rstrip()
    return page


def _body(screen: Screen, width: int, height: int, look: Look) -> list[Text]:
    document, now_s = screen.document, screen.now_s
    alarms = [look.text(alarm) for alarm in health.alarms(document)] if document else []
    part_rows = health.part_rows(document, now_s, look)
    layout = share_out(height, len(screen.suspects), len(screen.bans), len(part_rows), len(alarms))
    body = minute_graphs(document, layout.graphs, layout.graph_rows, width, look)
    if layout.suspects:
        body.append(title("Close to a ban", f"{count(document.get('clients'))} tracked", width, look))
        body += _list(screen, screen.suspects, layout.suspects, lists.suspect_row, width, look)
    if layout.bans:
        body.append(title("Newest bans", f"{count(document.get('bans'))} in all", width, look))
        body += _list(screen, screen.bans, layout.bans, lists.ban_row, width, look)
    foot = layout.parts + layout.has_message_row + min(len(alarms), layout.alarms) + 2
    body += [Text()] * (height - 1 - len(body) - foot if height < _ENDLESS else 0)
    if layout.parts and layout.has_message_row:
        body.append(title("Parts", "", width, look))
    body += [Text("  ").append_text(row) for row in part_rows[: layout.parts]]
    more = len(alarms) - layout.alarms
    for at, alarm in enumerate(alarms[: layout.alarms]):
        rest = f" (and {more} more)" if more > 0 and at == layout.alarms - 1 else ""
        body.append(Text(f"! {look.cell(alarm, width - 2 - len(rest)).rstrip()}{rest}", BAD))
    return body


def _list(  # noqa: PLR0917 - a drawing function; each is needed
    screen: Screen, documents: list[Document], room: int, row: Row, width: int, look: Look
) -> list[Text]:
    if not documents:
        return [Text("  nobody", QUIET)]
    clients = [shown(one.get("client")) for one in documents]
    chosen = clients.index(screen.selected) if screen.selected in clients else -1
    first = max(0, min(chosen - room + 1, len(documents) - room))
    columns_of = Columns.fit(documents, width - _INDENT, screen.now_s, look)
    found = []
    for at, one in enumerate(documents[first : first + room], first):
        mark = f"{look.chosen} " if at == chosen else "  "
        text = fitted(Text(mark).append_text(row(one, columns_of)), width)
        found.append(Text(text.plain, CHOSEN) if at == chosen else text)
    return found
