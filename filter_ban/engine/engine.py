# SPDX-License-Identifier: ISC
"""
The engine: counts strikes for each client and decides on bans.

A deterministic fold: the same signals give the same bans on any machine. Every time is an argument and is the time of
the event. What the rest of the daemon must know is collected in ``strikes``, ``forgiven`` and ``bans`` of the outbox.

No call takes longer with the number of clients or bans; whoever means many of them calls for each, in pieces.
"""

import heapq
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final
from zlib import crc32

import attrs

from filter_ban.client import ClientKey, is_ipv4, prefix_of, widen
from filter_ban.digest import blake2b
from filter_ban.engine import history as _history
from filter_ban.engine.history import (
    FORGOTTEN_SECRET,
    HUNDREDTHS,
    NO_SECRET,
    RECORD_BYTES,
    pack_strike,
)
from filter_ban.engine.policy import Policy
from filter_ban.engine.tables import Table, make_tables
from filter_ban.model import Ban, Kind, Strike

_REFERENCE_LETTERS: Final = (
    "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: none is mistaken for another
)
_REFERENCE_LENGTH: Final = 8


# how often a client was banned, and when the last ban began; a tuple, which garbage collection leaves alone
Offences = tuple[int, int]


@attrs.define
class Outbox:
    """What the engine decided since the daemon last looked, oldest first."""

    strikes: list[Strike] = attrs.Factory(list)
    forgiven: list[tuple[ClientKey, int]] = attrs.Factory(
        list
    )  # client, tag of the user whose strikes are void
    bans: list[Ban] = attrs.Factory(list)

    def __bool__(self) -> bool:
        return bool(self.strikes or self.bans or self.forgiven)


def make_reference(client: ClientKey, start_s: int) -> str:
    """Return the short reference that a human can quote for the ban of *client* that began at *start_s*."""
    digest = int.from_bytes(blake2b(client + start_s.to_bytes(8), digest_size=5).digest())
    return "".join(_REFERENCE_LETTERS[digest >> shift & 31] for shift in range(0, 5 * _REFERENCE_LENGTH, 5))


class Engine:
    """Strikes, offences and active bans; memory is bounded by ``policy.max_clients``."""

    def __init__(self, policy: Policy) -> None:
        self.outbox = Outbox()
        self.evicted = 0
        self._tables = make_tables(policy.max_clients)  # of histories, by the hash of the client
        self._offences: dict[ClientKey, Offences] = {}
        self._bans: dict[ClientKey, Ban] = {}
        # how many bans are wider than a counted client, by key length and prefix
        self._wide: Counter[tuple[int, int]] = Counter()
        self._ends: list[tuple[int, ClientKey]] = []
        self._judge_by(policy)
        self._latest_s = 0.0
        self._has_forgotten = False  # whether some history has FORGOTTEN_SECRET in it

    # --- state, for display and for the front ends

    @property
    def bans(self) -> Mapping[ClientKey, Ban]:
        """The active bans."""
        return self._bans

    @property
    def offenders(self) -> Collection[ClientKey]:
        """The clients whose offences are remembered."""
        return self._offences.keys()

    def __len__(self) -> int:
        return sum(map(len, self._tables))

    def strikes(self, client: ClientKey, now_s: float) -> float:
        """Return the sum of the strikes of *client* in the longest window."""
        return _history.total(self._table(client).get(client, b""), now_s, self.policy.longest_window_s)

    @property
    def ban_of(self) -> Callable[[ClientKey], Ban | None]:
        """
        The look-up of the active ban that covers a client, or None; the path of every answer.

        Good until the next ban or lift by hand: without wide bans it is the table's own method.
        """
        return self._find_ban if self._wide else self._bans.get

    def _find_ban(self, client: ClientKey) -> Ban | None:
        ban = self._bans.get(client)
        if ban is not None:
            return ban
        wide = (prefix for length, prefix in self._wide if length == len(client) and prefix <= client[-1])
        return next((ban for prefix in wide if (ban := self._bans.get(widen(client, prefix)))), None)

    def _table(self, client: ClientKey) -> Table:
        return self._tables[crc32(client) % len(self._tables)]

    # --- the fold

    def strike(  # noqa: PLR0917 - keywords cost time where each failed login passes
        self,
        kind: Kind,
        client: ClientKey,
        time_s: float,
        user: str = "",
        user_tag: int = 0,
        secret: int = NO_SECRET,
        service: str = "",
    ) -> None:
        """
        Count a signal against *client*, and ban it when a limit is reached.

        A user and secret that this client tried before count nothing: a phone with an old password is not guessing.
        The caller leaves out clients on the never-list.

        Args:
            kind: What was seen.
            client: Counted as one.
            time_s: Time of the event, Unix seconds.
            user: Name as seen, for the ledger, which masks it.
            user_tag: Keyed hash of the name; 0 without one.
            secret: Keyed hash of the secret tried; NO_SECRET where it is not visible.
            service: Where, for the ledger.

        """
        weight, hundredths = self._weights[kind]
        if not weight:
            return
        clients = self._tables[crc32(client) % len(self._tables)]
        history = clients.get(client, b"")
        if history:
            if (
                secret != NO_SECRET
                and user_tag
                and self._is_repeat(clients, client, history, user_tag, secret)
            ):
                return
            clients.move_to_end(client)
        elif len(clients) >= self._table_size:
            clients.popitem(last=False)
            self.evicted += 1
        if time_s >= self._latest_s:
            self._latest_s = time_s
        elif history:
            time_s = max(time_s, _history.newest_s(history))
        history = clients[client] = history + pack_strike(time_s, hundredths, user_tag, secret)
        self.outbox.strikes.append(Strike(client, time_s, kind, weight, user, user_tag, service))
        if len(history) >= self._few_bytes:
            self._judge(clients, client, history)

    def _is_repeat(
        self, clients: Table, client: ClientKey, history: bytes, user_tag: int, secret: int
    ) -> bool:
        if _history.tried(history, user_tag, secret):
            clients.move_to_end(client)
            return True
        learned = _history.learn(history, user_tag, secret) if self._has_forgotten else None
        if learned is None:
            return False
        clients[client] = learned
        return True

    def _judge(self, clients: Table, client: ClientKey, history: bytes) -> None:
        policy = self.policy
        if len(history) > self._enough_bytes:
            history = clients[client] = _history.trim(history, policy.longest_window_s, policy.enough)
        reached = _history.reached(history, policy.limits)
        if reached is None:
            return
        limit, strikes = reached
        now_s = int(_history.newest_s(history))
        active = self.ban_of(client)
        if active is not None and (active.end_s is None or active.end_s > now_s):
            return
        reason = f"{strikes:g} strikes within {limit.text.partition(' in ')[2]}"
        self.ban(client, now_s, rule=limit.text, reason=reason, strikes=strikes)

    def success(self, client: ClientKey, user_tag: int) -> None:
        """Take back the strikes of one user at *client* after a login; those of other users stay."""
        clients = self._table(client)
        history = clients.get(client)
        if history is None or self.ban_of(client) is not None:
            return
        left = _history.without_user(history, user_tag)
        if len(left) == len(history):
            return
        if left:
            clients[client] = left
        else:
            del clients[client]
        self.outbox.forgiven.append((client, user_tag))

    def ban(
        self,
        client: ClientKey,
        now_s: int,
        *,
        rule: str,
        reason: str,
        strikes: float = 0,
        length_s: int | None = -1,
        firewall: bool = True,
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
            firewall: Whether it is meant for the firewall too.

        """
        policy = self.policy
        count, last_s = self._offences.get(client, (0, 0))
        offence = count + 1 if now_s - last_s < policy.forget_s else 1
        if length_s == -1:
            length_s = policy.length_s(offence)
        end_s = None if length_s is None else now_s + length_s
        active = self._bans.get(client)
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
            reference=make_reference(client, now_s),
            firewall=firewall,
        )
        self._offences[client] = offence, now_s
        self._activate(ban)
        self.outbox.bans.append(ban)
        return ban

    def lift(self, client: ClientKey) -> Ban | None:
        """End and return the ban of just *client*, as if it had never been: strikes and offence are gone too."""
        ban = self._bans.get(client)
        if ban is not None:
            self._deactivate(ban)
            self._table(client).pop(client, None)
            count, last_s = self._offences.pop(client, (0, 0))
            if count > 1:
                self._offences[client] = count - 1, last_s
        return ban

    def expire(self, now_s: float, most: float = math.inf) -> list[Ban]:
        """End and return the bans whose time is over, the earliest first, and no more than *most* at a time."""
        over: list[Ban] = []
        ends = self._ends
        while ends and ends[0][0] <= now_s and len(over) < most:
            end_s, client = heapq.heappop(ends)
            ban = self._bans.get(client)
            if ban is not None and ban.end_s == end_s:
                self._deactivate(ban)
                over.append(ban)
        return over

    def forget_offences(self, now_s: float, among: Iterable[ClientKey] | None = None) -> None:
        """Drop those offences, of all offenders or *among* some, that are older than the memory for them."""
        oldest_s = now_s - self.policy.forget_s
        for client in list(self._offences) if among is None else among:
            past = self._offences.get(client)
            if past is not None and past[1] <= oldest_s and client not in self._bans:
                del self._offences[client]

    # --- restoring and reconfiguring

    def restore(self, bans: Iterable[Ban], offences: Iterable[tuple[ClientKey, int, int]]) -> None:
        """Take over what the ledger remembers: active bans, and offences (client, count, start of the last)."""
        for client, count, last_s in offences:
            known = self._offences.get(client)
            if known is None or known[1] < last_s:
                self._offences[client] = count, last_s
        for ban in bans:
            self._activate(ban)

    def restore_strikes(self, strikes: Iterable[Strike]) -> None:
        """
        Take over strikes from before the start, newest first: they come before those that were counted since.

        Where memory is full they stay out: whoever is in has been seen later.
        """
        for strike in strikes:
            client = strike.client
            clients = self._table(client)
            history = clients.get(client, b"")
            if not history and len(clients) >= self._table_size:
                continue
            clients[client] = _history.prepend(
                history, strike.time_s, strike.weight, strike.user_tag, FORGOTTEN_SECRET
            )
            if not history:
                clients.move_to_end(client, last=False)
            self._latest_s = max(self._latest_s, strike.time_s)
            self._has_forgotten = True

    def reconfigure(self, policy: Policy) -> None:
        """Judge by *policy* from now on; the bans that its never-list covers are left for the caller to lift."""
        self._judge_by(policy)

    def _judge_by(self, policy: Policy) -> None:
        self.policy = policy
        self._weights = {
            kind: (weight, round(weight * HUNDREDTHS)) for kind, weight in policy.weights.items()
        }
        self._few_bytes = policy.few * RECORD_BYTES
        self._enough_bytes = int(policy.enough) * RECORD_BYTES
        self._table_size = max(1, policy.max_clients // len(self._tables))

    def _activate(self, ban: Ban) -> None:
        replaced = self._bans.get(ban.client)
        if replaced is not None:
            self._deactivate(replaced)
        self._bans[ban.client] = ban
        if prefix_of(ban.client) != self._counted_prefix(ban.client):
            self._wide[len(ban.client), ban.client[-1]] += 1
        if ban.end_s is not None:
            heapq.heappush(self._ends, (ban.end_s, ban.client))

    def _deactivate(self, ban: Ban) -> None:
        del self._bans[ban.client]
        shape = (len(ban.client), ban.client[-1])
        if shape in self._wide:
            self._wide[shape] -= 1
            if not self._wide[shape]:
                del self._wide[shape]

    def _counted_prefix(self, client: ClientKey) -> int:
        return self.policy.ipv4_prefix if is_ipv4(client) else self.policy.ipv6_prefix
