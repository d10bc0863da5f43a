# SPDX-License-Identifier: ISC
"""
The engine: counts strikes for each client and decides on bans.

A deterministic fold: the same signals give the same bans on any machine. Every time is an argument and is the time of
the event. What the rest of the daemon must know is collected in the outbox. Each rule that needs a memory of its own
has a module: logins, sieges, networks; strikes, bans and offences are in the books that it extends.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final
from zlib import crc32

from filter_ban.client import ClientKey, is_ipv4
from filter_ban.engine import history as _history
from filter_ban.engine.ban_book import WIDENED
from filter_ban.engine.history import (
    FORGOTTEN_SECRET,
    HUNDREDTHS,
    MAX_HUNDREDTHS,
    NO_SECRET,
    RECORD_BYTES,
)
from filter_ban.engine.logins import Logins
from filter_ban.engine.networks import Networks
from filter_ban.engine.policy import HARD, Exemption, Ladder, Policy
from filter_ban.engine.sieges import Sieges
from filter_ban.engine.strike_book import StrikeBook
from filter_ban.engine.tables import Table
from filter_ban.engine.unresolved import Unresolved
from filter_ban.model import Kind, Login, Pardon, Reweighing, Strike

SIDE_SHARE: Final = 20  # of so many clients that are tracked, one may have an entry in a memory beside
_DAY_S: Final = 86_400
_FAILURES: Final = (Kind.AUTH_FAIL, Kind.UNKNOWN_USER)
_HARD_REASONS: Final = {
    Kind.DECOY: "a login where nobody has business",
    Kind.FOREIGN_DOMAIN: "a login for a domain that is not ours",
    Kind.TRAP_USER: "a login for a name that nobody has",
    Kind.REPORTED: "reported",
}


class Engine(StrikeBook):
    """Judges: from signals to strikes to bans; memory is bounded by ``policy.max_clients``."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        beside = max(1, policy.max_clients // SIDE_SHARE)
        self._logins = Logins(policy.guard.remember, 2 * beside)
        self._sieges = Sieges(policy.siege.clients, policy.siege.window, beside)
        self._networks = Networks(**_network_rule(policy), max_networks=beside)
        self._unresolved = Unresolved(policy.siege.patience)
        self._judge_by(policy)

    # --- state, for display and for the front ends

    @property
    def besieged(self) -> int:
        """How many user names are under siege."""
        return len(self._sieges.besieged(self._latest_s))

    @property
    def attacked_users(self) -> Collection[int]:
        """The tags of the users that strangers have failed to log in as."""
        return self._sieges.users

    def count_besieged(self, among: Iterable[int]) -> int:
        """Return how many of *among* some users are under siege."""
        return len(self._sieges.besieged(self._latest_s, among))

    @property
    def known_clients(self) -> int:
        """How many clients there are where somebody has logged in lately."""
        return len(self._logins)

    def is_known(self, client: ClientKey, now_s: float) -> bool:
        """Return whether somebody has logged in from *client* within the memory for that."""
        return self._logins.users(client, now_s) > 0

    def _is_good(self, client: ClientKey) -> bool:
        """Return whether *client* is known and has not guessed itself."""
        return self.is_known(client, self._latest_s) and self.strikes(client, self._latest_s) < 1

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

        What comes from a client under a ban was past refusing when the ban fell, and counts nothing; a hard strike
        always does. The caller leaves out clients on the never-list.

        Args:
            kind: What was seen.
            client: Counted as one.
            time_s: Time of the event, Unix seconds.
            user: Name as seen, for the ledger, which masks it, and for the rules on names.
            user_tag: Keyed hash of the name; 0 without one.
            secret: Keyed hash of the secret tried; NO_SECRET where it is not visible.
            service: Where, for the ledger and for overrides.

        """
        self.resolve(time_s)
        if self._active.bans and kind not in HARD and self.is_banned(client, time_s):
            return
        clients = self._tables[crc32(client) % len(self._tables)]
        history = clients.get(client, b"")
        stranger = False
        hundredths = self._weights[kind]
        if kind in _FAILURES:
            if self._names:
                kind = self._named(kind, client, user, time_s)
                hundredths = self._weights[kind]
            stranger = not self._logins.is_familiar(client, user_tag, time_s)
            hundredths = self._weigh(clients, client, history, time_s, hundredths, user_tag, secret, stranger)
        elif hundredths and not self._is_evidence(kind, client, history, time_s):
            self.outbox.strikes.append(Strike(client, time_s, kind, 0.0, user, user_tag, service))
            return
        rules: Policy | Exemption = self.policy
        if self._exempts:
            rules, hundredths = self._exempt(client, service, hundredths)
        if not hundredths:
            return
        time_s, history = self._add(clients, client, history, time_s, hundredths, user_tag, secret)
        weight = hundredths / HUNDREDTHS
        self.outbox.strikes.append(
            Strike(client, time_s, kind, weight, user, user_tag, service, secret, stranger)
        )
        if kind in HARD:
            self._ban_at_once(kind, client, int(time_s), rules.ladder, weight)
        elif len(history) > RECORD_BYTES or hundredths >= self._lowest:
            self._judge(client, history, int(time_s), rules)
        if stranger and user_tag:
            self._besiege(kind, client, time_s, user_tag)
            self._suspect(client, history, time_s, hundredths, user_tag, time_s)

    def _named(self, kind: Kind, client: ClientKey, user: str, time_s: float) -> Kind:
        """Return what a failed login is by its name; who has logged in from there has but mistyped it."""
        named = self.policy.names.kind_of(user)
        if named is None:
            return kind
        return Kind.UNKNOWN_USER if self.is_known(client, time_s) else named

    def _weigh(  # noqa: PLR0917 - as above
        self,
        clients: Table,
        client: ClientKey,
        history: bytes,
        time_s: float,
        hundredths: int,
        user_tag: int,
        secret: int,
        stranger: bool,
    ) -> int:
        """
        Return what a failed login weighs.

        Nothing, where a user and secret are tried again: a phone with an old password is not guessing. Where the secret
        is not visible, that can only be supposed, and is if the user, or more than one, has logged in from there.
        """
        again = False
        if history and user_tag:
            if secret:
                if self._is_repeat(clients, client, history, user_tag, secret):
                    return 0
            else:
                since_s = time_s - _history.last_try_s(history, user_tag)
                again = self.policy.guard.pace <= since_s < _DAY_S
                if again and (not stranger or self._logins.users(client, time_s) > 1):
                    clients[client] = _history.note_try(history, time_s, user_tag)
                    clients.move_to_end(client)
                    return 0
        if not stranger:
            return round(hundredths * self.policy.guard.familiar)
        if not again and self._offences.has(client, time_s):
            return min(round(hundredths * self.policy.relapse), MAX_HUNDREDTHS)
        return hundredths

    def _is_evidence(self, kind: Kind, client: ClientKey, history: bytes, time_s: float) -> bool:
        """Return whether a signal that is no failed login tells of guessing: not a probe's, not of a strange program."""
        if kind is Kind.NO_TLS:
            return bool(history)
        return kind is not Kind.BAD_HELO or not self.is_known(client, time_s)

    def _judge(self, client: ClientKey, history: bytes, now_s: int, rules: Policy | Exemption) -> None:
        reached = _history.reached(history, rules.limits)
        if reached is None:
            return
        limit, strikes = reached
        reason = f"{strikes:g} strikes within {limit.text.partition(' in ')[2]}"
        self._ban(client, now_s, rules.ladder, rule=limit.text, reason=reason, strikes=strikes)

    def _ban_at_once(self, kind: Kind, client: ClientKey, now_s: int, ladder: Ladder, strikes: float) -> None:
        self._ban(client, now_s, ladder, rule=kind.value, reason=_HARD_REASONS[kind], strikes=strikes)

    def _ban(
        self, client: ClientKey, now_s: int, ladder: Ladder, *, rule: str, reason: str, strikes: float
    ) -> None:
        """Ban a client that is not banned yet; in the dialogue only, where a person may be behind it."""
        if self.is_banned(client, now_s):
            return
        history = self._table(client).get(client, b"")
        person = not self._offences.has(client, now_s) and self.is_known(client, now_s)
        program = _history.is_one_program(history, self.policy.guard.pace)
        self.ban(
            client,
            now_s,
            rule=rule,
            reason=reason,
            strikes=strikes,
            ladder=ladder,
            firewall=not (person or program),
        )

    def _besiege(self, kind: Kind, client: ClientKey, time_s: float, user_tag: int) -> None:
        """Count a stranger among the user's besiegers; during a siege its failure is to be weighed up later."""
        if kind is Kind.AUTH_FAIL and self._sieges.note(user_tag, client, time_s):
            self._unresolved.add(client, time_s, user_tag)

    def _suspect(  # noqa: PLR0917 - as above
        self,
        client: ClientKey,
        history: bytes,
        time_s: float,
        hundredths: int,
        user_tag: int,
        now_s: float,
    ) -> None:
        """
        Count a stranger's failure of *time_s* against the networks around it.

        Not an IPv4 address's first one: such addresses cost money, and one failure each is what people do.
        """
        if is_ipv4(client) and len(history) == RECORD_BYTES:
            return
        network = self._networks.count(client, time_s, hundredths, user_tag, now_s)
        if network is not None:
            self._widen(network, int(now_s))

    def _widen(self, network: ClientKey, now_s: int) -> None:
        if not self.is_banned(network, now_s):
            widen = self.policy.widen
            reason = f"{widen.strikes:g} strikes of at least {widen.members} clients in it"
            self.ban(network, now_s, rule=WIDENED, reason=reason, length_s=widen.length, firewall=False)

    def resolve(self, now_s: float) -> None:
        """Weigh up what strangers failed under siege, as no login of that user came in time."""
        if not self._unresolved:
            return
        for due_s, client, time_s, user_tag in self._unresolved.take(now_s):
            clients = self._table(client)
            hundredths = round(self.policy.siege.unresolved * HUNDREDTHS)
            before = clients.get(client, b"")
            history = _history.reweigh(before, time_s, user_tag, hundredths)
            if history is not None:
                if history != before:
                    clients[client] = history
                    weight = hundredths / HUNDREDTHS
                    self.outbox.reweighed.append(Reweighing(client, user_tag, time_s, weight))
                rules, _ = self._exempt(client, "", 0)
                self._judge(client, history, int(due_s), rules)

    def _exempt(self, client: ClientKey, service: str, hundredths: int) -> tuple[Policy | Exemption, int]:
        """Return whose limits and ladder hold for *client* at *service*, and what a strike weighs there."""
        exemption = self.policy.exemption(client, service)
        if exemption is None:
            return self.policy, hundredths
        return exemption, min(round(hundredths * exemption.factor), MAX_HUNDREDTHS)

    def success(self, client: ClientKey, user_tag: int, time_s: float) -> None:
        """Credit *client* with a login, and take back the strikes of that user there; those of others stay."""
        self.resolve(time_s)
        if self.is_banned(client, time_s):
            return
        if user_tag and self._logins.note(client, user_tag, time_s):
            self.outbox.logins.append(Login(client, user_tag, time_s))
        history = self._table(client).get(client)
        if history is not None:
            until_s = max(time_s, _history.last_try_s(history, user_tag))
            self._forgive(Pardon(client, user_tag, until_s))

    def _forgive(self, pardon: Pardon) -> bool:
        """Void the strikes that *pardon* is for; return whether there were any."""
        client, user_tag = pardon.client, pardon.user_tag
        history = self._table(client).get(client, b"")
        left = _history.without_user(history, user_tag, pardon.time_s)
        if len(left) == len(history):
            return False
        self._keep(client, left)
        self._networks.forgive(client, user_tag)
        self.outbox.forgiven.append(pardon)
        return True

    # --- restoring and reconfiguring

    def restore_logins(self, logins: Iterable[Login]) -> None:
        """Take over logins from before the start."""
        for login in logins:
            self._logins.note(login.client, login.user_tag, login.time_s)

    def restore_strikes(self, strikes: Iterable[Strike]) -> None:
        """
        Take over strikes from before the start, newest first: they come before those that were counted since.

        Where memory is full they stay out: whoever is in has been seen later. So do those that counted nothing.
        """
        for strike in strikes:
            if not strike.weight:
                continue
            client = strike.client
            clients = self._table(client)
            history = clients.get(client, b"")
            if not history and len(clients) >= self._table_size:
                continue
            whole = self._with_restored(history, strike)
            if whole is None:
                continue
            clients[client] = whole
            if not history:
                clients.move_to_end(client, last=False)
            elif not _history.is_restored(history):
                rules, _ = self._exempt(client, "", 0)
                self._judge(client, whole, int(_history.newest_s(whole)), rules)
            self._latest_s = max(self._latest_s, strike.time_s)
            self._has_forgotten = True

    def _with_restored(self, history: bytes, strike: Strike) -> bytes | None:
        """Return *history* with a strike from before the start; None if that does not count."""
        return _history.prepend(history, strike.time_s, strike.weight, strike.user_tag, FORGOTTEN_SECRET)

    def reconfigure(self, policy: Policy) -> None:
        """Judge by *policy* from now on; the bans that its never-list covers are left for the caller to lift."""
        self._judge_by(policy)

    def _judge_by(self, policy: Policy) -> None:
        self._count_by(policy)
        self._offences.forget_s = policy.forget_s
        self._logins.remember_s = policy.guard.remember
        self._sieges.judge_by(policy.siege.clients, policy.siege.window)
        self._networks.judge_by(**_network_rule(policy))
        self._unresolved.patience_s = policy.siege.patience
        self._weights = policy.weights
        self._names = bool(policy.names)
        self._exempts = bool(policy.exemptions)
        self._lowest = round(min(limits[0].count for limits in policy.all_limits()) * HUNDREDTHS)


def _network_rule(policy: Policy) -> dict[str, Any]:
    widen = policy.widen
    return {
        "members": widen.members,
        "hundredths": round(widen.strikes * HUNDREDTHS),
        "window_s": widen.window,
        "widest": policy.widest,
    }
