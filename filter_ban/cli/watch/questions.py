# SPDX-License-Identifier: ISC
"""What the live view asks its user before it acts. Pure: keys in, the next question or an errand out."""

from collections.abc import Callable
from typing import Final

import attrs

from filter_ban.cli.watch.errands import Errand, allow, ban
from filter_ban.client import key_text, parse_network
from filter_ban.config.values import duration_text, parse_length

MAX_ENTRY: Final = 60


@attrs.frozen
class Confirm:
    """Shall this be done."""

    text: str
    errand: Errand

    def press(self, key: str) -> "Question | Errand | None":
        """Return the errand for yes, None for no, and the same question for any other key."""
        if key in ("y", "Y"):
            return self.errand
        return None if key in ("n", "N", "q", "escape", "interrupt") else self

    @property
    def prompt(self) -> str:
        """What is shown."""
        return f"{self.text}? y/n"


@attrs.frozen
class Entry:
    """A text to be typed; ``check`` makes the next question of it, or raises ValueError."""

    label: str
    check: Callable[[str], "Question"]
    text: str = ""
    problem: str = ""

    def press(self, key: str) -> "Question | Errand | None":
        """Return the question as it is after *key*; None when the user thought better of it."""
        if key in ("escape", "interrupt"):
            return None
        if key == "enter":
            try:
                return self.check(self.text.strip())
            except ValueError as error:
                return attrs.evolve(self, problem=str(error))
        text = self.text + key if len(key) == 1 else self.text
        text = {"backspace": self.text[:-1], "clear": ""}.get(key, text)
        return attrs.evolve(self, text=text[:MAX_ENTRY], problem="")

    @property
    def prompt(self) -> str:
        """What is shown."""
        return f"{self.label}: {self.text}_{f'   {self.problem}' if self.problem else ''}"


Question = Confirm | Entry


def ask_whom(then: Callable[[str], Question]) -> Entry:
    """Ask for an address or a prefix."""
    return Entry("Address or prefix", lambda text: then(key_text(parse_network(text))))


def ask_ban(client: str) -> Entry:
    """Ask how long *client* is to be banned."""
    return _ask_length(f"Ban {client} for (2h, 7d, forever)", "1d", f"Ban {client}", lambda s: ban(client, s))


def ask_allow(client: str) -> Entry:
    """Ask how long *client* is never to be counted or banned."""
    label = f"Never count or ban {client} for (2h, 7d, forever)"
    return _ask_length(label, "30d", f"Never count or ban {client}", lambda s: allow(client, s))


def _ask_length(label: str, text: str, what: str, make: Callable[[int | None], Errand]) -> Entry:
    def check(text: str) -> Question:
        length_s = parse_length(int(text) if text.isdecimal() else text)
        length = "ever" if length_s is None else duration_text(length_s)
        return Confirm(f"{what} for {length}", make(length_s))

    return Entry(label, check, text)
