# SPDX-License-Identifier: ISC
"""Who is banned, for how long, and for the how many-th time; why is the engine's business."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from filter_ban.client import ClientKey
from filter_ban.engine.ban_table import BanTable
from filter_ban.engine.offences import Offences
from filter_ban.engine.outbox import Outbox
from filter_ban.engine.policy import Ladder, Policy, ban_length_s
from filter_ban.engine.reference import make_reference
from filter_ban.model import Ban

WIDENED: Final = "widened"


def outlasts(ban: Ban, other: Ban) -> bool:
    """
    Return whether of two bans of a client it is *ban* that holds, whichever a node hears of first.

    The one that ends later; else the one that began earlier; else whichever is greater in anything but the node.
    """
    return _rank(ban) > _rank(other)


def _rank(ban: Ban) -> tuple[float, int, bool, int, float, str, str, str]:
    end_s = math.inf if ban.end_s is None else ban.end_s
    return (
        *(end_s, -ban.start_s, not ban.firewall, ban.offence, ban.strikes),
        *(ban.rule, ban.reason, ban.reference),
    )


class BanBook:
    """Active bans, and offences that are not forgotten. A new ban is put into the outbox."""

    def __init__(self, policy: Policy) -> None:
        self.outbox = Outbox()
        self.policy = policy
        self.told_offset_s = 0  # what makes of our times those by which nodes of a cluster compare theirs
        self._offences = Offences(policy.forget_s, policy.max_clients)
        self._active = BanTable(policy.ipv4_prefix, policy.ipv6_prefix)

    @property
    def bans(self) -> Mapping[ClientKey, Ban]:
        """The active bans."""
        return self._active.bans

    @property
    def offenders(self) -> Collection[ClientKey]:
        """The clients whose offences are remembered."""
        return self._offences.clients

    # --- looking up

    @property
    def ban_of(self) -> Callable[[ClientKey], Ban | None]:
        """
        The look-up of the active ban that a client is refused for, or None; the path of every answer.

        Good until the next ban or lift by hand.
        """
        return self._find_ban if self._active.has_wide else self._active.bans.get

    def _find_ban(self, client: ClientKey, time_s: float = -math.inf) -> Ban | None:
        """
        Return the narrowest ban that covers *client* and is not over at *time_s*.

        One that came of its neighbours' guessing spares a client that has a good name.
        """
        for ban in self._active.covering(client):
            is_over = ban.end_s is not None and ban.end_s <= time_s
            is_neighbours = ban.rule == WIDENED and ban.client != client
            if not is_over and not (is_neighbours and self._is_good(client)):
                return ban
        return None

    def _is_good(self, client: ClientKey) -> bool:  # noqa: ARG002 - whoever knows more of clients overrides it
        """Return whether *client* is spared when its network is banned."""
        return False

    def is_banned(self, client: ClientKey, time_s: float) -> bool:
        """Return whether *client* is under a ban at *time_s*, whether or not ended bans have been taken out."""
        if self._active.has_wide:
            return self._find_ban(client, time_s) is not None
        ban = self._active.bans.get(client)
        return ban is not None and (ban.end_s is None or ban.end_s > time_s)

    # --- beginning and ending

    def ban(
        self,
        client: ClientKey,
        now_s: int,
        *,
        rule: str,
        reason: str,
        strikes: float = 0,
        length_s: int | None = -1,
        ladder: Ladder = (),
        firewall: bool = True,
        node: str = "",
    ) -> Ban:
        """
        Ban *client*; an active ban is extended, never shortened.

        Args:
            client: A client or a prefix.
            now_s: Start.
            rule: The limit that was reached, or "by hand".
            reason: In words.
            strikes: How many there were.
            length_s: Seconds, None for ever; by default the ladder decides.
            ladder: In place of the policy's; empty: that.
            firewall: Whether it is meant for the firewall too.
            node: Whose ban it is; empty: that of whoever is being heard.

        """
        now_s = max(now_s, self._earliest_s(client))
        offence = self._offences.next(client, now_s)
        if length_s == -1:
            length_s = ban_length_s(ladder or self.policy.ladder, offence)
        end_s = None if length_s is None else now_s + length_s
        active = self._active.bans.get(client)
        if active is not None and (active.end_s is None or (end_s is not None and end_s <= active.end_s)):
            return active
        ban = Ban(
            client=client,
            start_s=now_s,
            end_s=end_s,
            rule=rule,
            reason=reason,
            offence=offence,
            strikes=strikes,
            reference=make_reference(client, now_s + self.told_offset_s),
            firewall=firewall,
            node=node or self.outbox.node,
        )
        self._offences.note(client, offence, now_s)
        self._active.add(ban)
        self.outbox.bans.append(ban)
        return ban

    def _earliest_s(self, client: ClientKey) -> int:  # noqa: ARG002 - whoever hears of lifts overrides it
        """Return before when no ban of *client* begins."""
        return 0

    def lift(self, client: ClientKey) -> Ban | None:
        """End and return the ban of just *client*, as if it had never been: its offence is gone too."""
        ban = self._active.bans.get(client)
        if ban is not None:
            self._active.remove(ban)
            self._offences.take_back(client)
        return ban

    def expire(self, now_s: float, most: float = math.inf) -> list[Ban]:
        """End and return the bans whose time is over, the earliest first, and no more than *most* at a time."""
        return self._active.expire(now_s, most)

    def forget_offences(self, now_s: float, among: Iterable[ClientKey] | None = None) -> None:
        """Drop those offences, of all offenders or *among* some, that are older than the memory for them."""
        clients = list(self._offences.clients) if among is None else among
        self._offences.forget(now_s, (client for client in clients if client not in self._active.bans))

    def restore(self, bans: Iterable[Ban], offences: Iterable[tuple[ClientKey, int, int]]) -> None:
        """Take over what the ledger remembers: active bans, and offences (client, count, start of the last)."""
        for client, count, last_s in offences:
            self._offences.note(client, count, last_s)
        for ban in bans:
            self._active.add(ban)
