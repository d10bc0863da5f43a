# SPDX-License-Identifier: ISC
"""What a client is told: the one place where bans, mode and reply text meet."""

from collections.abc import Callable
from typing import Final

from filter_ban.client import ClientKey
from filter_ban.engine import Engine
from filter_ban.model import ALLOWED, Ban, Mode, Verdict
from filter_ban.reply import ReplyTemplate

MAX_RENDERED: Final = 1024  # a refused bot comes again and again


Heard = Callable[[Ban, str], None]


class Verdicts:
    """
    Answers about clients; plain look-ups, nothing that could wait.

    Args:
        engine: Knows the bans.
        banned: The reply.
        heard: Gets the ban of each client that is refused, and where it came to: what ends in the number of the port.

    """

    def __init__(self, engine: Engine, banned: ReplyTemplate, heard: Heard | None = None) -> None:
        self.refused = 0
        self._heard = heard
        self._rendered: dict[ClientKey, tuple[Ban, Verdict]] = {}
        self._engine = engine
        self.reconfigure(banned)

    @property
    def ban_of(self) -> Callable[[ClientKey], Ban | None]:
        """The look-up of the ban that a client must be refused for, or None: the engine's own, but in mode watch."""
        return _no_ban if self._engine.policy.mode is Mode.WATCH else self._engine.ban_of

    def refuse(self, ban: Ban, where: str = "") -> Verdict:
        """Return, and count, the verdict on a client that is under *ban* and came to *where*."""
        self.refused += 1
        if self._heard is not None:
            self._heard(ban, where)
        known = self._rendered.get(ban.client)
        if known is None or known[0] is not ban:
            if len(self._rendered) >= MAX_RENDERED:
                self._rendered.clear()
            known = self._rendered[ban.client] = ban, self._banned.render(ban)
        return known[1]

    def of(self, client: ClientKey, where: str = "") -> Verdict:
        """Return the verdict on *client*, who came to *where*."""
        ban = self.ban_of(client)
        return ALLOWED if ban is None else self.refuse(ban, where)

    def reconfigure(self, banned: ReplyTemplate) -> None:
        """Refuse with *banned* from now on."""
        self._banned = banned
        self._rendered.clear()


def _no_ban(_client: ClientKey) -> None:
    return None
