# SPDX-License-Identifier: ISC
"""How often each client was banned: what decides on the length of its next ban."""

from collections.abc import Collection, Iterable
from itertools import islice
from typing import Final

from filter_ban.client import ClientKey

_SHARE: Final = 64  # of the whole, that goes at a time


class Offences:
    """
    Counts bans of at most *max_clients* clients; an offence is forgotten *forget_s* after the last one.

    An entry is a tuple, which garbage collection leaves alone: count, and start of the last ban.
    """

    def __init__(self, forget_s: float, max_clients: int) -> None:
        self.forget_s = forget_s
        self._max_clients = max_clients
        self._offences: dict[ClientKey, tuple[int, int]] = {}

    @property
    def clients(self) -> Collection[ClientKey]:
        """Whoever is remembered."""
        return self._offences.keys()

    def last(self, client: ClientKey) -> tuple[int, int] | None:
        """Return the number of offences of *client* and the start of the last one, or None."""
        return self._offences.get(client)

    def has(self, client: ClientKey, now_s: float) -> bool:
        """Return whether *client* was banned within the memory."""
        past = self._offences.get(client)
        return past is not None and now_s - past[1] < self.forget_s

    def next(self, client: ClientKey, now_s: float) -> int:
        """Return the number of the offence that *client* would commit now."""
        return self._offences[client][0] + 1 if self.has(client, now_s) else 1

    def note(self, client: ClientKey, number: int, start_s: int) -> None:
        """Remember an offence, unless a later one is known."""
        past = self._offences.get(client)
        if past is None or past[1] <= start_s:
            self._offences.pop(client, None)
            self._offences[client] = number, start_s  # at the end
            if len(self._offences) > self._max_clients:
                self._make_room()

    def hear(self, client: ClientKey, number: int, start_s: int) -> None:
        """
        Remember an offence that another node has counted.

        It may be one that is counted here too: of two within the memory the greater number holds, and the later start.
        """
        past = self._offences.get(client)
        if past is not None and abs(start_s - past[1]) < self.forget_s:
            number, start_s = max(number, past[0]), max(start_s, past[1])
        self.note(client, number, start_s)

    def _make_room(self) -> None:
        """Drop the oldest entries, many at a time: a dictionary finds its first one slowly after others are gone."""
        for client in list(islice(self._offences, 1 + self._max_clients // _SHARE)):
            del self._offences[client]

    def take_back(self, client: ClientKey) -> None:
        """Forget the last offence of *client*."""
        count, last_s = self._offences.pop(client, (0, 0))
        if count > 1:
            self._offences[client] = count - 1, last_s

    def forget(self, now_s: float, among: Iterable[ClientKey]) -> None:
        """Drop those *among* some clients whose last offence is older than the memory."""
        for client in among:
            past = self._offences.get(client)
            if past is not None and now_s - past[1] >= self.forget_s:
                del self._offences[client]
