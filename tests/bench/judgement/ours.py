# SPDX-License-Identifier: ISC
"""filter-ban's own engine as one of the compared rule sets."""

from filter_ban.config import parse_config
from filter_ban.engine import Engine, Policy
from filter_ban.engine.history import NO_SECRET
from filter_ban.model import Kind, Mode
from tests.bench.judgement.login import Answer, Front, Login
from tests.bench.judgement.rule import Rule

DOMAINS = '[users]\ndomains = ["example.org"]\n'
HASH_BITS = 12  # auth_policy_hash_truncate


class Ours(Rule):
    """
    The engine under a configuration.

    Args:
        config: In TOML; by default the defaults, and the domain of the simulated server.
        name: Of the column.

    """

    def __init__(self, config: str = DOMAINS, name: str = "filter-ban") -> None:
        super().__init__()
        self.name = name
        policy = Policy.compile(parse_config(config))
        self._enforce = policy.mode is Mode.ENFORCE
        self._engine = Engine(policy)

    def judge(self, login: Login) -> Answer | None:
        """Drop or refuse a banned client."""
        engine = self._engine
        engine.resolve(login.time_s)
        engine.expire(login.time_s)
        ban = engine.ban_of(login.host.client)
        if ban is None:
            return None
        return Answer.DROPPED if ban.firewall and self._enforce else Answer.REFUSED

    def learn(self, login: Login) -> None:
        """Tell the engine, as the sensor of this front would."""
        if login.account is not None and login.right:
            self._engine.success(login.host.client, login.account.tag, login.time_s)
        else:
            self.strike(login)
        self.settle()

    def strike(self, login: Login) -> None:
        """Count a failure."""
        account = login.account
        if account is None:
            self._engine.strike(Kind.NO_TLS, login.host.client, login.time_s)
            return
        self._engine.strike(
            kind_of(login), login.host.client, login.time_s, account.name, account.tag, visible_secret(login)
        )

    def settle(self) -> None:
        """Take what the engine decided."""
        outbox = self._engine.outbox
        if outbox.strikes:
            outbox.strikes.clear()
        if outbox.forgiven:
            outbox.forgiven.clear()
        if outbox.reweighed:
            outbox.reweighed.clear()
        outbox.logins.clear()
        for ban in outbox.bans:
            if ban.firewall and self._enforce:
                self.firewall_bans.append(ban.client)
        outbox.bans.clear()


def kind_of(login: Login) -> Kind:
    """Return what the sensor makes of a failed login: only Dovecot tells of unknown users."""
    assert login.account is not None
    if login.front is Front.DOVECOT and not login.account.exists:
        return Kind.UNKNOWN_USER
    return Kind.AUTH_FAIL


def visible_secret(login: Login) -> int:
    """Return the tag of the secret that the sensor sees."""
    assert login.account is not None
    match login.front:
        case Front.LOGIN:
            return NO_SECRET
        case Front.PLAIN:
            return login.secret
        case Front.DOVECOT:
            mixed = (login.secret * 0x9E37_79B1 ^ login.account.tag * 0x85EB_CA6B) & 0xFFFF_FFFF
            return (mixed >> (32 - HASH_BITS)) + 2
