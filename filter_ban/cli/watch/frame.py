# SPDX-License-Identifier: ISC
"""What stands around the lists: the bar at the top, titles, what is asked or said, keys."""

from typing import Final

from rich.cells import cell_len
from rich.text import Text

from filter_ban.cli.health import problems
from filter_ban.cli.watch.look import BAD, KEY, QUIET, TITLE, WAITING, Look, fitted
from filter_ban.cli.watch.screen import Screen
from filter_ban.cli.watch.times import passed

_KEYS: Final = (
    ("b", "ban"), ("l", "lift"), ("a", "allow"), ("e", "explain"), ("r", "resync"), ("p", "pause"), ("?", "help"), ("q", "quit"),
)  # fmt: skip
_SPARED: Final = ("resync", "pause")  # where there is not room for all; help has them
_ALL_KEYS: Final = 80  # cells
_BARS: Final = {"well": "black on green", "TROUBLE": "bold white on red"}
_OTHER_BAR: Final = "black on yellow"


def header(screen: Screen, width: int, look: Look) -> Text:
    """Return the bar at the top."""
    document, word = screen.document, health_word(screen)
    style = _BARS.get(word, _OTHER_BAR)
    facts = [screen.host, document.get("mode")]
    if document.get("started"):
        facts.append(f"up {passed(document['started'], screen.now_s)}")
    facts.append(document.get("version"))
    left = " filter-ban  " + "  ".join(look.text(fact) for fact in facts if fact)
    right = f"{'PAUSED  ' if screen.paused else ''}{word} {look.dot} "
    return fitted(Text(look.cell(left, width - len(right)) + right), width, style)


def health_word(screen: Screen) -> str:
    """Return in a word how all is."""
    if screen.lost:
        return "NO DAEMON"
    if not screen.document:
        return "asking"
    if problems(screen.document):
        return "TROUBLE"
    return "siege" if screen.document.get("besieged") else "well"


def title(title: str, remark: str, width: int, look: Look) -> Text:
    """Return the line above a part."""
    shown_title, shown_remark = look.text(title), f" {look.text(remark)} " if remark else ""
    line = look.rule * max(0, width - len(shown_title) - len(shown_remark) - 6)
    return Text.assemble(
        (f"{look.rule * 2} ", QUIET),
        (shown_title, TITLE),
        (f" {line}", QUIET),
        (shown_remark, QUIET),
        (look.rule * 2, QUIET),
    )


def key_row(screen: Screen, width: int, look: Look) -> Text:
    """Return the keys that mean something now, as many as there is room for."""
    pairs = [("j k" if look.is_ascii else "↑↓", "choose"), *_KEYS]
    if screen.pane is not None:
        pairs = [("up down", "scroll"), ("q", "back")]
    elif width < _ALL_KEYS:
        pairs = [(key, what) for key, what in pairs if what not in _SPARED]
    row = Text(" " * (width >= _ALL_KEYS))
    for key, what in pairs:
        row.append(key, KEY)
        row.append(f" {what}  ", QUIET)
    return row


def said_row(screen: Screen, width: int, look: Look) -> Text:
    """Return the question, or what came of the last errand, or why nothing new is known."""
    if screen.question is not None:
        prompt = f" {look.text(screen.question.prompt)}"
        while cell_len(prompt) > width > 1:  # what is typed stands at its end
            prompt = look.cut + prompt[2:]
        return Text(prompt, f"bold {WAITING}")
    if screen.message:
        return Text(f" {look.text(screen.message)}", "bold")
    return Text(f" {look.text(screen.lost)}", BAD)
