# SPDX-License-Identifier: ISC
"""The alarm that a ban does not hold: its client is heard although its entry is said to be in force."""

import logging
from collections.abc import Callable, Iterable
from typing import Final

from filter_ban.client import ClientKey, key_text
from filter_ban.logline import fact
from filter_ban.model import Ban, Enforcement

_log = logging.getLogger(__name__)
GRACE_S: Final = 10.0  # what was under way when the entry was made may still arrive, or be reported, so late
PAUSE_S: Final = 10.0  # between two checks of the firewall for this


class Alarms:
    """
    Watches for clients that should not be heard.

    Args:
        state_of: The state of a client's ban in the firewall.
        check: Compares firewall and bans; called at most every PAUSE_S.
        ports: What the firewall closes; empty: everything.
        clock: Unix seconds.

    """

    def __init__(
        self,
        state_of: Callable[[ClientKey], Enforcement],
        check: Callable[[], None],
        ports: Iterable[int],
        clock: Callable[[], float],
    ) -> None:
        self.count = 0
        self.last_client: ClientKey | None = None
        self.last_s = 0.0
        self._state_of = state_of
        self._check = check
        self._clock = clock
        self.judge_by(ports)
        self._checked_s = float("-inf")
        self._in_force_s: dict[ClientKey, float] = {}  # of entries made within GRACE_S

    def judge_by(self, ports: Iterable[int]) -> None:
        """Take *ports* for what the firewall closes from now on."""
        self._ports = frozenset(map(str, ports))

    def made(self, clients: Iterable[ClientKey]) -> None:
        """Take note that entries were made, or made again."""
        now_s = self._clock()
        for client in clients:
            self._in_force_s.pop(client, None)  # to stand last
            self._in_force_s[client] = now_s

    def forget(self) -> None:
        """Drop what is older than the grace."""
        now_s = self._clock()
        for client, time_s in list(self._in_force_s.items()):
            if now_s - time_s <= GRACE_S:
                return
            del self._in_force_s[client]

    def heard(self, ban: Ban, where: str) -> None:
        """Take note that a client under *ban* was heard; *where* ends in the number of our port, if that is known."""
        client, now_s = ban.client, self._clock()
        if self._state_of(client) is not Enforcement.IN_FORCE:
            return
        if self._ports and where.rpartition(" ")[2].rpartition(":")[2] not in self._ports:
            return
        if now_s - self._in_force_s.get(client, 0.0) <= GRACE_S:
            return
        self.count += 1
        self.last_client, self.last_s = client, now_s
        if now_s - self._checked_s >= PAUSE_S:
            self._checked_s = now_s
            why = "heard although its ban is in force in the firewall"
            _log.warning(
                fact("alarm", client=key_text(client), why=why, consequence="the firewall is checked")
            )
            self._check()
