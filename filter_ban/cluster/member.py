# SPDX-License-Identifier: ISC
"""
A node of the cluster: what its engine decides goes out, what others say goes in.

Whatever the order in which the nodes hear of each other, in the end they have the same strikes and the same bans: a strike
is known by client, time and user, and counts once; of two bans of a client the one that ends later stands; a lift or
a login voids what was until then, also what is heard of later.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final
from zlib import crc32

import attrs

from filter_ban.client import ClientKey
from filter_ban.cluster.notice import (
    Allowed,
    Disallowed,
    Encoder,
    Lifted,
    Notice,
    Offended,
    subject,
    time_of,
)
from filter_ban.cluster.outgoing import Outgoing
from filter_ban.cluster.shards import shard_of
from filter_ban.config.cluster import BANS, LISTEN_ONLY, STRIKES
from filter_ban.engine.ban_book import outlasts
from filter_ban.engine.outbox import Outbox
from filter_ban.engine.shared import SharedEngine
from filter_ban.explanation import BY_HAND
from filter_ban.model import HERE, Allowance, Ban, Login, Pardon, Reweighing, Strike

AHEAD_S: Final = 60.0  # what is said to happen later than that is not believed
_PATIENCE_S: Final = 0.25  # so long, and up to three times that, others have to say what we concluded too
_MAX_ASIDE: Final = 10_000  # bans that are not in force only because of who is let in
_MAX_ALLOWED: Final = 100_000  # networks of which it is known when they were last let in, or no more


@attrs.define
class Heard:
    """
    What came of what others said.

    ``outbox`` has what the engine took over or concluded, ``lifts`` by whom bans are ended, and ``allowances`` the last
    word on each network: whether it is let in, or no more (None).
    """

    outbox: Outbox = attrs.Factory(Outbox)
    lifts: list[tuple[Lifted, Ban | None]] = attrs.Factory(list)
    allowances: dict[ClientKey, Allowance | None] = attrs.Factory(dict)

    @property
    def allowed(self) -> list[Allowance]:
        """Who is let in."""
        return [allowance for allowance in self.allowances.values() if allowance is not None]

    @property
    def disallowed(self) -> list[ClientKey]:
        """Who is let in no more."""
        return [client for client, allowance in self.allowances.items() if allowance is None]


@attrs.define
class _Told:
    """The bans, lifts and removed allowances that others are known to have."""

    bans: dict[ClientKey, Ban] = attrs.Factory(dict)
    lifts: dict[ClientKey, float] = attrs.Factory(dict)
    disallowed: dict[ClientKey, float] = attrs.Factory(dict)

    def heed(self, notice: Notice) -> None:
        match notice:
            case Ban():
                self.bans[notice.client] = notice
            case Lifted(client, time_s, _):
                self.lifts[client] = max(time_s, self.lifts.get(client, 0.0))
            case Disallowed(client, time_s):
                self.disallowed[client] = max(time_s, self.disallowed.get(client, 0.0))


class Member:
    """
    What this node says, and what it makes of what others say.

    Args:
        engine: Its engine.
        node: Its name.
        started: Grows with each start.
        shards: How many streams there are.
        role: See ``cluster.role``.
        trust: See ``cluster.trust``.
        secret_bits: See ``cluster.secret_bits``.
        buffer: Strikes that wait for the store.
        admits: Whether a peer may ban a client here.

    """

    def __init__(
        self,
        engine: SharedEngine,
        *,
        node: str,
        started: int,
        shards: int,
        role: str,
        trust: Collection[str],
        secret_bits: int,
        buffer: int,
        admits: Callable[[ClientKey], bool],
    ) -> None:
        self.folded = 0
        self.refused = 0  # bans that this node does not take over
        self.untimely = 0
        self.engine = engine
        self.shards = shards
        encoder = Encoder(secret_bits)
        self.outgoing = Outgoing(encoder, node=node, started=started, shards=shards, most=buffer)
        self._node = node
        self._speaks = role != LISTEN_ONLY
        self._trusts_bans = BANS in trust
        self._trusts_strikes = STRIKES in trust
        self._admits = admits
        self._latest_s = 0.0  # when the latest of what is known here happened
        self._concluded: OrderedDict[ClientKey, tuple[float, Ban]] = OrderedDict()  # until when to be patient
        self._aside: OrderedDict[ClientKey, Ban] = OrderedDict()  # of whom this node does not ban for now
        self._told: dict[int, _Told] = {}  # by shard being joined: what others have
        self._allowed: OrderedDict[ClientKey, tuple[float, bool]] = OrderedDict()  # when, and whether

    # --- what this node says

    def decided(self, outbox: Outbox) -> set[int]:
        """Have it said what the engine decided on what this node saw; return the shards that have more to say."""
        if not self._speaks:
            return set()
        add = self.outgoing.add
        shards = {add(strike) for strike in outbox.strikes if strike.weight}
        shards.update(map(add, outbox.reweighed))
        shards.update(map(add, outbox.forgiven))
        shards.update(map(add, outbox.logins))
        shards |= {add(ban) for ban in outbox.bans if ban.rule != BY_HAND}
        return shards

    def stamp(self, now_s: float) -> float:
        """Return the time of an act of this moment: later than all that others have told, whatever the clocks say."""
        self._latest_s = max(now_s, math.nextafter(self._latest_s, math.inf))
        return self._latest_s

    def acted(self, acts: Iterable[Ban | Lifted | Allowed | Disallowed]) -> set[int]:
        """Have it said what the operator did, with times of :meth:`stamp`; return the shards that have more to say."""
        shards = set()
        for act in acts:
            if isinstance(act, Allowed | Disallowed):
                self._note_allowed(act)
            if self._speaks:
                shards.add(self.outgoing.add(act))
        return shards

    def tick(self, now_s: float) -> set[int]:
        """Say what bans this node has concluded and nobody else has said; return the shards that have more to say."""
        shards = set()
        for client, (due_s, ban) in list(self._concluded.items()):
            if due_s <= now_s:
                del self._concluded[client]
                if self._speaks and self.engine.bans.get(client) is ban:
                    shards.add(self.outgoing.add(ban))
        return shards

    def recall(self, signals: Iterable[Strike] | Iterable[Login]) -> set[int]:
        """
        Have it said again what others may not have heard before this node was started; what they have counts once.

        Args:
            signals: What this node saw, newest first.

        """
        return {self.outgoing.recall(signal) for signal in signals} if self._speaks else set()

    # --- what others say

    def hear(self, notices: Iterable[Notice], now_s: float, *, node: str = "", shard: int = -1) -> Heard:
        """
        Fold what another node says, or a snapshot.

        Args:
            notices: In the order in which they were said.
            now_s: By this node's clock.
            node: Who says it.
            shard: Where they come from, if it is being joined.

        """
        heard = Heard(Outbox(node=node))
        told = self._told.get(shard)
        own, self.engine.outbox = self.engine.outbox, heard.outbox
        try:
            for notice in notices:
                self.folded += 1
                if told is not None:
                    told.heed(notice)
                self._fold(notice, heard, now_s)
        finally:
            self.engine.outbox = own
        return heard

    def _fold(self, notice: Notice, heard: Heard, now_s: float) -> None:
        """Fold one notice."""
        time_s = time_of(notice)
        if time_s > now_s + AHEAD_S:
            self.untimely += 1
            return
        self._latest_s = max(self._latest_s, time_s)
        match notice:
            case Strike() | Reweighing() | Pardon() | Login():
                if self._trusts_strikes:
                    self._fold_signal(notice, heard.outbox, now_s)
            case Ban():
                self._fold_ban(notice, now_s)
            case Offended(client, count, last_s):
                if self._trusts_bans:
                    self.engine.hear_offence(client, count, last_s)
            case _:
                if self._trusts_bans:
                    self._fold_act(notice, heard)

    def _fold_signal(
        self, signal: Strike | Reweighing | Pardon | Login, outbox: Outbox, now_s: float
    ) -> None:
        known = len(outbox.bans)
        match signal:
            case Strike():
                self.engine.hear_strike(signal, now_s)
            case Reweighing():
                self.engine.hear_reweighing(signal, now_s)
            case Pardon():
                self.engine.hear_pardon(signal)
            case Login():
                self.engine.hear_login(signal)
        for ban in outbox.bans[known:]:
            patience_s = _PATIENCE_S * (1 + 2 * crc32(ban.client, crc32(self._node.encode())) / 2**32)
            self._concluded[ban.client] = now_s + patience_s, ban

    def _fold_ban(self, ban: Ban, now_s: float) -> None:
        concluded = self._concluded.get(ban.client)
        if concluded is not None and not outlasts(concluded[1], ban):
            del self._concluded[ban.client]
        if not self._trusts_bans:
            return
        if self._admits(ban.client):
            self.engine.hear_ban(ban, now_s)
        else:
            self.refused += 1
            self._set_aside(ban)

    def _set_aside(self, ban: Ban) -> None:
        known = self._aside.pop(ban.client, ban)
        self._aside[ban.client] = known if outlasts(known, ban) else ban
        if len(self._aside) > _MAX_ASIDE:
            self._aside.popitem(last=False)

    def spare(self, bans: Iterable[Ban], now_s: float) -> Heard:
        """
        Set *bans* aside that have ended because the operator lets somebody in; return what is in force again.

        Those are bans of whom he lets in no more. A ban holds whether it is heard of before that or after; what a lift
        has voided stays so.
        """
        for ban in bans:
            if ban.node != HERE:
                self._set_aside(ban)
        heard = Heard()
        own, self.engine.outbox = self.engine.outbox, heard.outbox
        try:
            for client in [client for client in self._aside if self._admits(client)]:
                self.engine.hear_ban(self._aside.pop(client), now_s)
        finally:
            self.engine.outbox = own
        return heard

    def _fold_act(self, act: Lifted | Allowed | Disallowed, heard: Heard) -> None:
        match act:
            case Lifted():
                heard.lifts.append((act, self.engine.hear_lift(act.client, act.time_s)))
            case Allowed(allowance, _):
                if self._note_allowed(act):
                    heard.allowances[allowance.client] = allowance
            case Disallowed(client, _):
                if self._note_allowed(act):
                    heard.allowances[client] = None

    def _note_allowed(self, act: Allowed | Disallowed) -> bool:
        """Take note of when a network was let in, or no more; return whether that is news."""
        client, allowed = subject(act), isinstance(act, Allowed)
        if self._allowed.get(client, (0.0, False)) >= (act.time_s, allowed):
            return False
        self._allowed.pop(client, None)
        self._allowed[client] = act.time_s, allowed
        if len(self._allowed) > _MAX_ALLOWED:
            self._allowed.popitem(last=False)
        return True

    # --- joining

    def recall_allowed(self, allowances: Iterable[Allowance]) -> None:
        """Take note of whom this node let in before it was started."""
        for allowance in allowances:
            self._note_allowed(Allowed(allowance, float(allowance.since_s)))

    def recall_disallowed(self, client: ClientKey, time_s: float) -> None:
        """Take note of whom this node let in no more before it was started."""
        self._note_allowed(Disallowed(client, time_s))

    def time_disallowed(self, client: ClientKey) -> float:
        """Return when *client* was let in no more, or last let in."""
        return self._allowed.get(client, (0.0, False))[0]

    def join(self, shard: int) -> None:
        """Begin to join: what is heard of this shard until :meth:`reconcile` is what the others have."""
        self._told[shard] = _Told()

    def reconcile(self, shard: int, bans: Iterable[Ban], allowances: Iterable[Allowance] = ()) -> None:
        """Say those *bans* of a shard that the others lack, and whom this node lets in; in as many calls as it takes."""
        told = self._told.get(shard)
        if told is None or not self._speaks:
            return
        for ban in bans:
            client = ban.client
            if shard_of(client, self.shards) == shard and ban.node != HERE:
                known = told.bans.get(client)
                lifted_s = self.engine.lifted_s(client)
                if known is not None and known.start_s > lifted_s and not outlasts(ban, known):
                    continue
                if told.lifts.get(client, 0.0) < lifted_s:  # first: what it ends may last longer than ours
                    told.lifts[client] = lifted_s
                    self.outgoing.add(Lifted(client, lifted_s, "operator"))
                self.outgoing.add(ban)
        for allowance in allowances:
            if shard_of(allowance.client, self.shards) == shard and not allowance.here:
                self.outgoing.add(Allowed(allowance, self._time_allowed(allowance)))

    def joined(self, shard: int) -> None:
        """End joining, and say what lifts and removed allowances the others lack."""
        told = self._told.pop(shard, None)
        if told is None or not self._speaks:
            return
        for client, time_s in self.engine.lifts():
            if shard_of(client, self.shards) == shard and told.lifts.get(client, 0.0) < time_s:
                self.outgoing.add(Lifted(client, time_s, "operator"))
        for client, (time_s, allowed) in self._allowed.items():
            is_here = shard_of(client, self.shards) == shard
            if not allowed and is_here and told.disallowed.get(client, 0.0) < time_s:
                self.outgoing.add(Disallowed(client, time_s))

    # --- for those who come later

    def memory(self, allowances: Iterable[Allowance]) -> Iterator[Notice]:
        """Yield what a new node must know, but for what the streams have; others may have their turn meanwhile."""
        for client, time_s in self.engine.lifts():
            yield Lifted(client, time_s, "operator")
        for client, (time_s, allowed) in list(self._allowed.items()):
            if not allowed:
                yield Disallowed(client, time_s)
        for allowance in list(allowances):
            if not allowance.here:
                yield Allowed(allowance, self._time_allowed(allowance))
        for client, count, last_s in self.engine.all_offences():
            ban = self.engine.bans.get(client)
            if ban is None or (ban.offence, ban.start_s) != (count, last_s):  # else the ban says so
                yield Offended(client, count, last_s)
        for ban in list(self.engine.bans.values()):
            if ban.node != HERE and self.engine.bans.get(ban.client) is ban:
                yield ban
        yield from self.engine.all_logins()

    def _time_allowed(self, allowance: Allowance) -> float:
        return self._allowed.get(allowance.client, (float(allowance.since_s), True))[0]
