# SPDX-License-Identifier: ISC
"""
The engine of a node of a cluster: folds what other nodes have seen and decided into what this one has.

In whatever order they hear of each other, all nodes come to hold the same strikes and the same bans. A strike weighs
what it weighed where it was seen, is known by client, time and user, and has its place in the order of time. What was
until a lift or a login is void (:mod:`filter_ban.engine.amnesties`), also when it is heard of later. Of two bans of a client
one holds (:func:`filter_ban.engine.ban_book.outlasts`).
"""

import math
from collections.abc import Iterable, Iterator

import attrs

from filter_ban.client import ClientKey
from filter_ban.engine import history as _history
from filter_ban.engine.amnesties import NEVER, Amnesties
from filter_ban.engine.ban_book import outlasts
from filter_ban.engine.engine import SIDE_SHARE, Engine
from filter_ban.engine.history import FORGOTTEN_SECRET, HUNDREDTHS, MAX_HUNDREDTHS, RECORD_BYTES
from filter_ban.engine.policy import HARD, Exemption, Ladder, Policy, ban_length_s
from filter_ban.engine.strike_book import TRIMMED_BYTES
from filter_ban.engine.tables import Table
from filter_ban.model import Ban, Kind, Login, Pardon, Reweighing, Strike
from filter_ban.tags import heard_form


class SharedEngine(Engine):
    """
    An engine that hears others; what comes of that is put into the outbox too.

    Args:
        policy: To judge by; weights of strikes are those of the nodes that saw them.
        secret_bits: How much of the tag of a secret nodes tell each other.

    """

    def __init__(self, policy: Policy, secret_bits: int = 0) -> None:
        super().__init__(policy)
        self._secret_bits = secret_bits
        self._amnesties = Amnesties(max(1, policy.max_clients // SIDE_SHARE))

    # --- what this node sees

    def _is_repeat(
        self, clients: Table, client: ClientKey, history: bytes, user_tag: int, secret: int
    ) -> bool:
        if super()._is_repeat(clients, client, history, user_tag, secret):
            return True
        heard = heard_form(secret, self._secret_bits)
        if not heard or not _history.tried(history, user_tag, heard):
            return False
        clients.move_to_end(client)
        return True

    def strikes(self, client: ClientKey, now_s: float, window_s: float = math.inf) -> float:
        """
        Return the sum of the strikes of *client*, as the engine does.

        A password that was tried at several nodes, which had not heard of each other, counts once.
        """
        history = self._without_repeats(self._table(client).get(client, b""), now_s)
        return _history.total(history, now_s, min(window_s, self._longest_s), self._enough)

    def _without_repeats(self, history: bytes, now_s: float) -> bytes:
        """Return *history* with what repeats nothing in the longest window before *now_s*."""
        bits = self._secret_bits
        if not bits or len(history) <= RECORD_BYTES:
            return history
        recent = _history.after(history, now_s - self._longest_s)
        return _history.without_repeats(recent, lambda secret: heard_form(secret, bits))

    def _judge(self, client: ClientKey, history: bytes, now_s: int, rules: Policy | Exemption) -> None:
        newest_s = _history.newest_s(history)
        super()._judge(client, self._without_repeats(history, newest_s), now_s, rules)

    def _add(  # noqa: PLR0917 - as the engine's
        self,
        clients: Table,
        client: ClientKey,
        history: bytes,
        time_s: float,
        hundredths: int,
        user_tag: int,
        secret: int,
    ) -> tuple[float, bytes]:
        """Put a strike into its place, after what is void: where a peer's clock is ahead, that need not be the end."""
        void_s = self._amnesties.until_s(client, user_tag)
        if time_s <= void_s:
            time_s = math.nextafter(void_s, math.inf)
        if not history or time_s > _history.newest_s(history):
            return super()._add(clients, client, history, time_s, hundredths, user_tag, secret)
        while (placed := _history.insert(history, time_s, hundredths, user_tag, secret)) is None:
            time_s = math.nextafter(time_s, math.inf)
        clients.move_to_end(client)
        history = clients[client] = self._trimmed(placed[0])
        return time_s, history

    def _trimmed(self, history: bytes) -> bytes:
        is_due = len(history) > self._enough_bytes and not len(history) % TRIMMED_BYTES
        return self._trim(history) if is_due else history

    def success(self, client: ClientKey, user_tag: int, time_s: float) -> None:
        """Credit *client* with a login; strikes of that user until then that others tell of later are void too."""
        outbox = self.outbox
        logins, forgiven = len(outbox.logins), len(outbox.forgiven)
        super().success(client, user_tag, time_s)
        is_news = len(outbox.logins) > logins
        if len(outbox.forgiven) == forgiven and is_news and user_tag in self._sieges.users:
            outbox.forgiven.append(Pardon(client, user_tag, time_s))
        if not is_news and user_tag and len(outbox.forgiven) > forgiven:
            outbox.logins.append(Login(client, user_tag, time_s))  # the ledger keeps no pardons
        if is_news and user_tag:  # others take it for a pardon too
            self._amnesties.pardon(client, user_tag, time_s)
        for pardon in outbox.forgiven[forgiven:]:
            self._amnesties.pardon(client, user_tag, pardon.time_s)

    def lift(self, client: ClientKey, time_s: float = math.inf) -> Ban | None:
        """
        End and return the ban of just *client*, as if it had never been.

        With a time it is an amnesty: what was until then is void, also what others tell of later.
        """
        ban = self._active.bans.get(client)
        if ban is not None and time_s < math.inf:
            time_s = max(time_s, ban.start_s)
            self._amnesties.lift(client, time_s)
        return super().lift(client, time_s)

    def share(self, ban: Ban) -> Ban:
        """Return an active ban of this node alone as one of all, which it is from now on."""
        shared = attrs.evolve(ban, node="")
        self._active.add(shared)
        return shared

    def _earliest_s(self, client: ClientKey) -> int:
        """Return the first whole second after the last lift: what began before is void."""
        return math.floor(self._amnesties.lifted_s(client)) + 1

    def forget_offences(self, now_s: float, among: Iterable[ClientKey] | None = None) -> None:
        """Drop what is older than the memory for it: offences, of all or *among* some, and amnesties."""
        super().forget_offences(now_s, among)
        self._amnesties.forget(now_s - self.policy.forget_s, now_s - self._longest_s)

    # --- what others say

    def hear_strike(self, strike: Strike, now_s: float) -> bool:
        """Count a strike of another node; return whether it was news."""
        client, time_s, user_tag = strike.client, strike.time_s, strike.user_tag
        hundredths = _hundredths(strike.weight)
        is_old = now_s - time_s >= self._longest_s
        if not hundredths or is_old or time_s <= self._amnesties.until_s(client, user_tag):
            return False
        history = self._place(strike, hundredths)
        if history is None:
            return False
        self._latest_s = max(self._latest_s, min(time_s, now_s))
        self.outbox.strikes.append(strike)
        if strike.stranger and user_tag:
            if strike.kind is Kind.AUTH_FAIL:
                self._sieges.hear(user_tag, client, time_s)
            self._suspect(client, history, time_s, hundredths, user_tag, now_s)
        rules = self._rules(client, strike.service)
        if strike.kind in HARD:
            if self._may_begin(client, time_s, rules.ladder, now_s):
                self._ban_at_once(strike.kind, client, int(time_s), rules.ladder, strike.weight)
        elif len(history) > RECORD_BYTES or hundredths >= self._lowest:
            self._judge_since(client, history, time_s, rules, now_s)
        return True

    def _place(self, strike: Strike, hundredths: int) -> bytes | None:
        """Put a strike into its place and return the history; None if it is there, and weighs the greater of both."""
        client, user_tag = strike.client, strike.user_tag
        clients = self._table(client)
        history = clients.get(client, b"")
        secret = heard_form(strike.secret, self._secret_bits)
        placed = _history.insert(history, strike.time_s, hundredths, user_tag, secret)
        if placed is None:
            clients[client] = _history.reweigh(history, strike.time_s, user_tag, hundredths) or history
            return None
        if history:
            clients.move_to_end(client)
        elif len(clients) >= self._table_size:
            self._make_room(clients)
        history = clients[client] = self._trimmed(placed[0])
        return history

    def hear_reweighing(self, reweighing: Reweighing, now_s: float) -> None:
        """Have a strike weigh at least what another node has found."""
        client, time_s = reweighing.client, reweighing.time_s
        before = self._table(client).get(client, b"")
        history = _history.reweigh(before, time_s, reweighing.user_tag, _hundredths(reweighing.weight))
        if history is None or history == before:
            return
        self._table(client)[client] = history
        self.outbox.reweighed.append(reweighing)
        due_s = time_s + self.policy.siege.patience
        self._judge_since(client, history, time_s, self._rules(client, ""), now_s, due_s)

    def hear_pardon(self, pardon: Pardon) -> bool:
        """Void the strikes of a user that has logged in at another node; return whether that is news."""
        is_news = self._amnesties.pardon(pardon.client, pardon.user_tag, pardon.time_s)
        if is_news:
            self._forgive(pardon)
        return is_news

    def hear_login(self, login: Login) -> None:
        """Credit a client with a login at another node, and void the strikes of that user there until then."""
        client, user_tag, time_s = login.client, login.user_tag, login.time_s
        is_remembered = time_s > max(0.0, self._latest_s - self._logins.remember_s)
        is_news = user_tag and is_remembered and self._logins.note(client, user_tag, time_s)
        is_pardon = self.hear_pardon(Pardon(client, user_tag, time_s))
        if is_news or (user_tag and is_remembered and is_pardon):  # as above
            self.outbox.logins.append(login)

    def hear_ban(self, ban: Ban, now_s: float) -> bool:
        """Take over a ban, unless it is void or another holds; return whether it is news. One that is over is an offence."""
        client = ban.client
        if ban.start_s <= self._amnesties.lifted_s(client):
            return False
        self._offences.hear(client, ban.offence, ban.start_s)
        active = self._active.bans.get(client)
        if (ban.end_s is not None and ban.end_s <= now_s) or (
            active is not None and not outlasts(ban, active)
        ):
            return False
        self._active.add(ban)
        self.outbox.bans.append(ban)
        return True

    def hear_lift(self, client: ClientKey, time_s: float) -> Ban | None:
        """
        Void the ban and the strikes of just *client* until then; return the ban that ended, or None.

        An offence of before stays if its ban has ended already.
        """
        if not self._amnesties.lift(client, time_s):
            return None
        ban = self._active.bans.get(client)
        if ban is not None and ban.start_s <= time_s:
            return super().lift(client, time_s)
        self._void(client, time_s)
        return None

    def hear_offence(self, client: ClientKey, count: int, last_s: int) -> None:
        """Take over how often a client has been banned."""
        if last_s > self._amnesties.lifted_s(client):
            self._offences.hear(client, count, last_s)

    # --- judging what is heard late

    def _judge_since(  # noqa: PLR0917 - as above
        self,
        client: ClientKey,
        history: bytes,
        since_s: float,
        rules: Policy | Exemption,
        now_s: float,
        due_s: float = NEVER,
    ) -> None:
        """
        Ban *client* for the first strike from *since_s* on that reaches a limit with those before it, but not before due.

        The ban begins when it would have, had all been known in time. If that is over, the next strike is judged.
        """
        if self.is_banned(client, now_s):
            return
        history = self._without_repeats(history, since_s)
        for end in _history.ends_reached(history, since_s, rules.limits):
            before = history[:end]
            time_s = max(_history.newest_s(before), due_s)
            if self._may_begin(client, time_s, rules.ladder, now_s):
                self._judge(client, before, int(time_s), rules)
                return

    def _may_begin(self, client: ClientKey, time_s: float, ladder: Ladder, now_s: float) -> bool:
        """
        Return whether a ban of *client* may begin at *time_s*: there is none now, nor was then as far as is known.

        One that would be over is only counted as an offence. Whom this node never bans others may count, who do not know.
        """
        if self.is_banned(client, now_s) or self.is_banned(client, time_s):
            return False
        if self.policy.never.overlapping(client) is not None:
            return False
        last = self._offences.last(client)
        if last is not None and last[1] > self._amnesties.lifted_s(client):
            paid_s = ban_length_s(ladder, last[0])
            if paid_s is None or time_s < last[1] + paid_s:
                return False
        offence = self._offences.next(client, time_s)
        length_s = ban_length_s(ladder, offence)
        if length_s is None or int(time_s) + length_s > now_s:
            return True
        self._offences.note(client, offence, int(time_s))
        return False

    def _rules(self, client: ClientKey, service: str) -> Policy | Exemption:
        return self._exempt(client, service, 0)[0] if self._exempts else self.policy

    # --- what was before the start, and what a new node must know

    def restore_logins(self, logins: Iterable[Login]) -> None:
        """Take over logins from before the start, newest first: strikes of before them that are heard of later are void."""
        logins = list(logins)
        super().restore_logins(logins)
        for login in logins:
            if login.user_tag:
                self._amnesties.recall_pardon(login.client, login.user_tag, login.time_s)

    def restore_lifts(self, lifts: Iterable[tuple[ClientKey, float]]) -> None:
        """Take over until when what of clients is void."""
        for client, time_s in lifts:
            self._amnesties.lift(client, time_s)

    def _with_restored(self, history: bytes, strike: Strike) -> bytes | None:
        """Return *history* with a strike from before the start; None if others have told of it already, or it is void."""
        if strike.time_s <= self._amnesties.until_s(strike.client, strike.user_tag):
            return None
        hundredths = _hundredths(strike.weight)
        placed = _history.insert(history, strike.time_s, hundredths, strike.user_tag, FORGOTTEN_SECRET)
        return placed and placed[0]

    def lifted_s(self, client: ClientKey) -> float:
        """Return until when bans of *client* are void."""
        return self._amnesties.lifted_s(client)

    def lifts(self) -> Iterator[tuple[ClientKey, float]]:
        """Yield until when what of clients is void; as with the two below, more may be heard meanwhile."""
        return self._amnesties.lifts()

    def all_offences(self) -> Iterator[tuple[ClientKey, int, int]]:
        """Yield how often each client was banned, and the start of the last ban."""
        for client in list(self._offences.clients):
            last = self._offences.last(client)
            if last is not None:
                yield client, *last

    def all_logins(self) -> Iterator[Login]:
        """Yield who has logged in from where."""
        for client in list(self._logins.clients):
            for user_tag, time_s in self._logins.of(client):
                yield Login(client, user_tag, time_s)


def _hundredths(weight: float) -> int:
    return min(round(weight * HUNDREDTHS), MAX_HUNDREDTHS)
