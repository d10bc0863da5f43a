# SPDX-License-Identifier: ISC
"""What is void although it may be heard of only later: until when, by client, and by client and user."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final, TypeVar

from filter_ban.client import ClientKey

Subject = TypeVar("Subject")
NEVER: Final = 0.0


class Amnesties:
    """Lifts, and pardons of users that logged in; at most *most* of each, the one noted longest ago first out."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lifts: OrderedDict[ClientKey, float] = OrderedDict()
        self._pardons: OrderedDict[tuple[ClientKey, int], float] = OrderedDict()

    def lift(self, client: ClientKey, until_s: float) -> bool:
        """Note that all of *client* until then is void; return whether that is news."""
        return self._note(self._lifts, client, until_s)

    def pardon(self, client: ClientKey, user_tag: int, until_s: float) -> bool:
        """Note that the strikes of one user there until then are void; return whether that is news."""
        return self._note(self._pardons, (client, user_tag), until_s)

    def recall_pardon(self, client: ClientKey, user_tag: int, until_s: float) -> None:
        """Note a pardon that was given before all that are known; where memory is full it stays out."""
        if (client, user_tag) not in self._pardons and len(self._pardons) < self._most:
            self._pardons[client, user_tag] = until_s
            self._pardons.move_to_end((client, user_tag), last=False)

    def lifted_s(self, client: ClientKey) -> float:
        """Return until when bans of *client* are void."""
        return self._lifts.get(client, NEVER)

    def until_s(self, client: ClientKey, user_tag: int) -> float:
        """Return until when strikes of a user at *client* are void."""
        pardoned_s = self._pardons.get((client, user_tag), NEVER)
        return max(pardoned_s, self._lifts.get(client, NEVER)) if self._lifts else pardoned_s

    def lifts(self) -> Iterator[tuple[ClientKey, float]]:
        """Yield the lifts; more may come meanwhile."""
        yield from list(self._lifts.items())

    def forget(self, lifts_s: float, pardons_s: float) -> None:
        """Drop, of those that were noted longest ago, the lifts and the pardons until these times."""
        _drop(self._lifts, lifts_s)
        _drop(self._pardons, pardons_s)

    def _note(self, amnesties: OrderedDict[Subject, float], subject: Subject, until_s: float) -> bool:
        if until_s <= amnesties.get(subject, NEVER):
            return False
        amnesties[subject] = until_s
        amnesties.move_to_end(subject)
        if len(amnesties) > self._most:
            amnesties.popitem(last=False)
        return True


def _drop(amnesties: OrderedDict[Subject, float], before_s: float) -> None:
    while amnesties and next(iter(amnesties.values())) <= before_s:
        amnesties.popitem(last=False)
