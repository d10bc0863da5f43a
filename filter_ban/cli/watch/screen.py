# SPDX-License-Identifier: ISC
"""What the live view shows, as values; keys and answers change it. Pure: knows no terminal, no socket, no clock."""

from typing import Any, Final

import attrs

from filter_ban.cli import show, wording
from filter_ban.cli.document import Document, parts
from filter_ban.cli.watch import errands
from filter_ban.cli.watch.errands import Answer, Errand
from filter_ban.cli.watch.questions import Confirm, Question, ask_allow, ask_ban, ask_whom
from filter_ban.cli.wording import shown

HELP: Final = """\
up down, j k     choose a client or a ban; Tab: the other list
g G              the first, the last
b                ban the client; it asks how long
B                ban an address or prefix that is not in the lists
l                lift the ban
a                allow: never count and never ban the client, for a time
e, Enter         explain: why it is blocked, and its last events
r                compare firewall and bans now
p                pause the view, and go on
?                this page
Ctrl-L           draw everything again
q, Ctrl-C        quit; filter-ban goes on without the view

Failures are what counted against somebody: a repeated password does not.
The last column of the graphs is the minute that runs.
A bar shows how much of a limit a client has reached: full is a ban.

in force         the firewall drops it
pending          on its way into the firewall
dialogue only    refused by the mail server alone
failed, missing  the firewall has it not; e says why

Escape or q leaves this page."""


@attrs.define
class Pane:
    """A text that covers the lists; ``top`` is its first line on the screen."""

    title: str
    lines: list[str]
    top: int = 0


@attrs.define
class Screen:
    """
    The state of the view.

    ``document`` is the daemon's last answer and ``lost`` why there is no newer one; ``selected`` is a client, so that
    the choice stays with it wherever it moves.
    """

    host: str
    document: Document = attrs.field(factory=dict)
    lost: str = ""
    message: str = ""
    selected: str = ""
    question: Question | None = None
    pane: Pane | None = None
    paused: bool = False
    leaving: bool = False

    @property
    def now_s(self) -> float:
        """The daemon's time of what is shown."""
        now_s: Any = self.document.get("now")
        return float(now_s) if wording.is_number(now_s) else 0.0

    @property
    def suspects(self) -> list[Document]:
        """Clients close to a ban."""
        return parts(self.document, "suspects")

    @property
    def bans(self) -> list[Document]:
        """The newest bans."""
        return parts(self.document, "newest")

    # --- what the daemon says

    def heed(self, answer: Answer) -> None:
        """Take note of an answer."""
        command = answer.errand.command
        if answer.lost:
            self.lost = answer.failure
        if command == errands.WATCH:
            if answer.failure:
                self.lost = answer.failure
            elif not self.paused or answer.errand.arguments.get("fresh"):
                self.lost = ""
                self._take(answer.document)
        elif command == errands.SHOW and not answer.failure:
            self.pane = Pane(shown(answer.errand.arguments["client"]), self._explained(answer.document))
            self.message = ""
        else:
            self.message = errands.outcome(answer)

    def _take(self, document: Document) -> None:
        before = self._clients()
        self.document = document
        now = self._clients()
        if self.selected not in now:
            at = before.index(self.selected) if self.selected in before else 0
            self.selected = now[min(at, len(now) - 1)] if now else ""

    def _explained(self, document: Document) -> list[str]:
        try:
            return [wording.printable(line) for line in show.lines(document, self.now_s)]
        except (TypeError, ValueError, OverflowError) as error:  # a daemon of another version
            return [f"the daemon's answer cannot be told: {shown(error)}"]

    # --- what the user does

    def press(self, key: str) -> Errand | None:
        """Heed a key; return what the daemon is to be asked."""
        if self.question is not None:
            return self._answer(self.question, key)
        self.message = ""
        if self.pane is not None:
            self._turn(self.pane, key)
            return None
        return self._command(key)

    def _answer(self, question: Question, key: str) -> Errand | None:
        following = question.press(key)
        self.question = None if isinstance(following, Errand) else following
        if isinstance(following, Errand):
            self.message = "asking the daemon"
            return following
        return None

    def _turn(self, pane: Pane, key: str) -> None:
        if key in ("q", "escape", "enter", "e", "?", "interrupt"):
            self.pane = None
            return
        moves = {"up": -1, "k": -1, "down": 1, "j": 1, "page-up": -10, "page-down": 10, " ": 10}
        ends = {"home": 0, "g": 0, "end": len(pane.lines), "G": len(pane.lines)}
        top = ends.get(key, pane.top + moves.get(key, 0))
        pane.top = max(0, min(top, len(pane.lines) - 1))

    def _command(self, key: str) -> Errand | None:
        match key:
            case "q" | "interrupt":
                self.leaving = True
            case "?":
                self.pane = Pane("Keys and words", HELP.split("\n"))
            case "p":
                self.paused = not self.paused
                return None if self.paused else errands.look()
            case "r":
                self.message = "comparing firewall and bans"
                return errands.resync()
            case "B":
                self.question = ask_whom(ask_ban)
            case "b" | "a" | "l" | "e" | "enter":
                return self._act(key)
            case _:
                self._move(key)
        return None

    def _act(self, key: str) -> Errand | None:
        client = self.selected
        if not client:
            self.message = "no client is chosen; B bans one that is not in the lists"
        elif key == "b":
            self.question = ask_ban(client)
        elif key == "a":
            self.question = ask_allow(client)
        elif key != "l":
            return errands.explain(client)
        elif any(shown(ban.get("client")) == client for ban in self.bans):
            self.question = Confirm(f"Lift the ban of {client}", errands.lift(client))
        else:
            self.message = f"{client} is not banned"
        return None

    def _move(self, key: str) -> None:
        clients = self._clients()
        if not clients:
            return
        at = clients.index(self.selected) if self.selected in clients else 0
        far = len(clients)
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page-up": -5, "page-down": 5}
        steps |= {"home": -far, "g": -far, "end": far, "G": far}
        if key == "tab":
            lists = len(clients) - len(self.bans)
            target = 0 if at >= lists else lists
        else:
            target = at + steps.get(key, 0)
        self.selected = clients[max(0, min(target, far - 1))]

    def _clients(self) -> list[str]:
        """Return what can be chosen, in the order of the screen; a client is in one of the lists only."""
        return list(dict.fromkeys(shown(one.get("client")) for one in (*self.suspects, *self.bans)))
