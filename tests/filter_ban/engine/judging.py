# SPDX-License-Identifier: ISC
"""Drives an engine by addresses and names, as a sensor would; times are seconds after START_S."""

import itertools
from typing import Final

from filter_ban.client import ClientKey, parse_network
from filter_ban.clients import Clients
from filter_ban.config import parse_config
from filter_ban.engine import Engine, Policy
from filter_ban.engine.history import NO_SECRET
from filter_ban.model import Ban, Kind
from filter_ban.signals import Signal, ban_at, feed
from filter_ban.tags import UserTags

START_S: Final = 1_763_690_000
HIDDEN: Final = NO_SECRET
BOT: Final = "192.0.2.66"
ANOTHER: Final = None  # a secret that was not tried before
DAY_S: Final = 86_400


def key(text: str) -> ClientKey:
    """Return the key of an address or network."""
    return parse_network(text)


class Court:
    """An engine under a configuration; each signal returns the bans that came of it."""

    def __init__(self, config: str = "") -> None:
        policy = Policy.compile(parse_config(config))
        self.engine = Engine(policy)
        self.tags = UserTags(b"")
        self._clients = Clients(policy)
        self._secrets = itertools.count(1000)

    def see(  # noqa: PLR0917 - a line of a test names them by their order
        self,
        kind: Kind,
        at_s: float,
        address: str = BOT,
        user: str = "",
        secret: int | None = HIDDEN,
        service: str = "",
    ) -> list[Ban]:
        """Feed one signal."""
        visible = next(self._secrets) if secret is ANOTHER else secret
        signal = Signal(START_S + at_s, kind, address, service, user, self.tags.of(user), visible)
        feed(self.engine, self._clients, signal)
        return self.bans()

    def fail(
        self,
        at_s: float,
        address: str = BOT,
        user: str = "anna",
        secret: int | None = ANOTHER,
        service: str = "",
    ) -> list[Ban]:
        """Fail a login."""
        return self.see(Kind.AUTH_FAIL, at_s, address, user, secret, service)

    def fail_often(
        self,
        times: int,
        at_s: float = 0,
        every_s: float = 1,
        *,
        address: str = BOT,
        user: str = "anna",
        secret: int | None = ANOTHER,
    ) -> list[Ban]:
        """Fail *times* logins."""
        return [
            ban
            for number in range(times)
            for ban in self.fail(at_s + number * every_s, address, user, secret)
        ]

    def log_in(self, at_s: float, address: str = BOT, user: str = "anna") -> list[Ban]:
        """Log in."""
        return self.see(Kind.AUTH_PASS, at_s, address, user)

    def resolve(self, at_s: float) -> list[Ban]:
        """Let time pass."""
        self.engine.resolve(START_S + at_s)
        return self.bans()

    def strikes(self, at_s: float, address: str = BOT) -> float:
        """Return how many strikes stand against *address*."""
        return self.engine.strikes(self._clients.of(address), START_S + at_s)

    def is_refused(self, at_s: float, address: str = BOT) -> bool:
        """Return whether *address* is refused."""
        return ban_at(self.engine, self._clients.of(address), START_S + at_s) is not None

    def bans(self) -> list[Ban]:
        """Take the new bans."""
        bans, self.engine.outbox.bans = self.engine.outbox.bans, []
        return bans
