# SPDX-License-Identifier: ISC
"""
Who logs in, and at which node: botnets, people who mistype, phones with an old password, operators.

Everybody goes to another node each time, by chance, as behind a load balancer or several MX records.
"""

import itertools
from collections.abc import Iterator
from typing import Final

from filter_ban.client import ClientKey, make_key
from tests.bench.cluster.node import Node
from tests.bench.cluster.world import World

ENOUGH: Final = 5  # strikes within ten minutes
USERS: Final = 5000  # that a botnet tries
BAN_S: Final = 7200
_OLD: Final = 4711  # a password
_OVER: Final = object()


class Traffic:
    """
    What comes to some nodes.

    ``decided_at_s`` is when each guesser had failed often enough, wherever; ``innocents`` must never be banned.
    """

    def __init__(self, world: World, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.decided_at_s: dict[ClientKey, float] = {}
        self.innocents: set[ClientKey] = set()
        self.clients: set[ClientKey] = set()
        self.logins = 0
        self.refused = 0
        self._world = world
        self._addresses = itertools.count()
        self._secrets = itertools.count(1)

    def botnet(self, bots: int, tries: int, interval_s: float) -> None:
        """Let *bots* clients, each from a network of its own, guess *tries* times each."""
        for _ in range(bots):
            self._live(self._be_judged(self.client(), tries), interval_s)

    def friend(self, client: ClientKey, tries: int, interval_s: float) -> None:
        """Let a client guess that some nodes never ban, so that no failure decides for all."""
        self._live((None for _ in self._guess(client, tries)), interval_s)

    def people(self, count: int, interval_s: float) -> None:
        """Let people who have logged in once come back, mistype up to three times, and get in."""
        for _ in range(count):
            self._live(self._mistype(self._innocent()), interval_s)

    def phones(self, count: int, tries: int, interval_s: float, *, known: bool) -> None:
        """Let phones try their old password again and again, from where somebody has logged in or from elsewhere."""
        for _ in range(count):
            self._live(self._repeat(self._innocent(), tries, known=known), interval_s)

    def operators(self, count: int, interval_s: float) -> None:
        """Ban clients by hand, and lift a half of the bans elsewhere, and allow some of these."""
        for number in range(count):
            self._live(self._operate(self.client(), number), interval_s)

    def client(self) -> ClientKey:
        """Return a client that nobody else is, in a network of its own."""
        client = make_key((10 << 24 | next(self._addresses) << 8 | 7).to_bytes(4), 32)
        self.clients.add(client)
        return client

    def _innocent(self) -> ClientKey:
        client = self.client()
        self.innocents.add(client)
        return client

    def _live(self, life: Iterator[None], interval_s: float) -> None:
        """Live on after each pause of about *interval_s*."""
        chance = self._world.chance

        def on() -> None:
            if next(life, _OVER) is not _OVER:
                self._world.after(chance.uniform(0.5, 1.5) * interval_s, on)

        self._world.after(chance.uniform(0, interval_s), on)

    def _guess(self, client: ClientKey, tries: int) -> Iterator[bool]:
        """Guess, and yield whether that was heard."""
        for _ in range(tries):
            user = 1 + self._world.chance.randrange(USERS)
            yield not self._log_in(client, user, next(self._secrets))

    def _be_judged(self, client: ClientKey, tries: int) -> Iterator[None]:
        """Guess, and have it noted when that was often enough."""
        heard = 0
        for is_heard in self._guess(client, tries):
            heard += is_heard
            if heard == ENOUGH:
                self.decided_at_s.setdefault(client, self._world.now_s)
            yield None

    def _mistype(self, client: ClientKey) -> Iterator[None]:
        user = USERS + 1 + next(self._secrets)
        self._log_in(client, user, 0, is_right=True)
        yield None
        for _ in range(self._world.chance.randint(1, 3)):
            self._log_in(client, user, next(self._secrets))
            yield None
        self._log_in(client, user, 0, is_right=True)

    def _repeat(self, client: ClientKey, tries: int, *, known: bool) -> Iterator[None]:
        user = USERS + 1 + next(self._secrets)
        if known:
            self._log_in(client, user, 0, is_right=True)
            yield None
        for _ in range(tries):
            self._log_in(client, user, _OLD)
            yield None

    def _operate(self, client: ClientKey, number: int) -> Iterator[None]:
        self._anywhere().ban(client, BAN_S)
        yield None
        if number % 2:
            self._anywhere().lift(client)
            yield None
        if number % 4 == 3:
            self._anywhere().allow(client)

    def _log_in(self, client: ClientKey, user: int, secret: int, *, is_right: bool = False) -> bool:
        is_refused = self._anywhere().log_in(client, user, secret, is_right=is_right)
        self.logins += 1
        self.refused += is_refused
        return is_refused

    def _anywhere(self) -> Node:
        return self._world.chance.choice(self.nodes)
