# SPDX-License-Identifier: ISC
"""Clients that are close to a ban."""

import asyncio

from filter_ban.client import ClientKey, parse_network
from filter_ban.config import parse_config
from filter_ban.daemon.suspects import RECENT, SHOWN, Suspects
from filter_ban.daemon.turns import Turns
from filter_ban.engine import Engine, Policy
from filter_ban.model import Kind, Strike

NOW_S = 1_800_000_000.0


class World:
    """An engine, and who watches it."""

    def __init__(self, config: str = "") -> None:
        self.engine = Engine(Policy.compile(parse_config(config)))
        self.suspects = Suspects(self.engine, Turns())
        self._secret = 1

    def guess(
        self, client: str | ClientKey, times: int, time_s: float = NOW_S, service: str = "smtps"
    ) -> list[Strike]:
        """Have a client guess; return its strikes."""
        key = parse_network(client) if isinstance(client, str) else client
        for _ in range(times):
            self._secret += 1
            self.engine.strike(Kind.AUTH_FAIL, key, time_s, "alice", 1, self._secret, service)
        strikes, self.engine.outbox.strikes = self.engine.outbox.strikes, []
        return strikes

    def closest(self, now_s: float = NOW_S) -> list[tuple[str, float, str]]:
        """Return client, strikes and limit of the suspects."""

        async def ask() -> list[tuple[str, float, str]]:
            found = await self.suspects.closest(now_s)
            return [(one.last.client.hex(), one.strikes, one.limit.text) for one in found]

        return asyncio.run(ask())


def name(client: str) -> str:
    """Return how :meth:`World.closest` calls a client."""
    return parse_network(client).hex()


def test_order() -> None:
    """The closest stands first; who is banned, or has no strikes that count any more, is none."""
    world = World()
    for client, times in (("192.0.2.1", 1), ("192.0.2.2", 4), ("192.0.2.3", 5), ("192.0.2.4", 2)):
        world.suspects.struck(world.guess(client, times))
    assert world.closest() == [
        (name("192.0.2.2"), 4.0, "5 in 10m"),
        (name("192.0.2.4"), 2.0, "5 in 10m"),
        (name("192.0.2.1"), 1.0, "5 in 10m"),
    ]
    assert world.closest(NOW_S + 8 * 86_400) == []


def test_the_limit_that_is_closest() -> None:
    """Who guesses slowly is measured by a longer window."""
    world = World()
    for hour in range(8):
        world.suspects.struck(world.guess("192.0.2.1", 1, NOW_S + hour * 3600))
    assert world.closest(NOW_S + 7 * 3600) == [(name("192.0.2.1"), 8.0, "10 in 24h")]


def test_limits_of_an_override() -> None:
    """What holds for the service is what counts."""
    world = World('[[override]]\nservices = ["imap"]\nwindows = ["20 in 1h"]\n')
    world.suspects.struck(world.guess("192.0.2.1", 5, service="imap"))
    assert world.closest() == [(name("192.0.2.1"), 5.0, "20 in 1h")]


def test_a_flood() -> None:
    """Memory is bounded, and who was found close stays in sight while others come."""
    world = World()
    world.suspects.struck(world.guess("192.0.2.1", 4))
    assert world.closest()[0][0] == name("192.0.2.1")
    for number in range(3 * RECENT):
        client = ClientKey((10 << 24 | number << 8).to_bytes(4) + b"\x20")
        world.suspects.struck(world.guess(client, 1))
    found = world.closest()
    assert (len(found), found[0][:2]) == (SHOWN, (name("192.0.2.1"), 4.0))
    assert len(world.suspects._recent) == RECENT


def test_recall() -> None:
    """Strikes of before the start are known, and are older than those heard since."""
    world = World()
    past = [*reversed(world.guess("192.0.2.1", 2, NOW_S - 60)), *world.guess("192.0.2.2", 1, NOW_S - 90)]
    world.suspects.struck(world.guess("192.0.2.3", 1))
    world.suspects.recall(past)
    assert [client for client, *_ in world.closest()] == [name(f"192.0.2.{number}") for number in (1, 3, 2)]
    assert list(world.suspects._recent)[-1] == parse_network("192.0.2.3")
    world.suspects.recall(
        Strike(ClientKey(number.to_bytes(4) + b"\x20"), 0, Kind.AUTH_FAIL, 1) for number in range(2 * RECENT)
    )
    assert len(world.suspects._recent) == RECENT
