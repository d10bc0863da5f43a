# SPDX-License-Identifier: ISC
"""
The attackers: generators of logins that are told what became of each.

A refused or dropped attacker goes on, with at least ``BACKS_OFF_S`` between tries; one who has other addresses takes the
next at once. Nobody guesses right: what counts is how many guesses are checked.
"""

import itertools
import random
from collections.abc import Callable, Iterator

from tests.bench.judgement.cast import Cast, make_account
from tests.bench.judgement.login import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    START_S,
    Account,
    Answer,
    Host,
    Life,
    Login,
    Party,
)

Attack = Callable[[Party, random.Random, Cast], Iterator[Life]]

BEGINS_S = START_S + DAY_S
BACKS_OFF_S = 60.0
BOTS = 5000
BOT_PACE_S = 6 * HOUR_S


def guesser(
    party: Party,
    chance: random.Random,
    cast: Cast,
    *,
    pace_s: float,
    names: list[Account],
    host: Callable[[], Host],
    moves: bool = False,
    secret: int = 0,
    own: Account | None = None,
) -> Life:
    """
    Guess for ever.

    Args:
        party: The attacker.
        chance: Its luck.
        cast: Names, and the front to try them at.
        pace_s: Mean time between guesses.
        names: To guess for.
        host: The address for the next guess.
        moves: Whether a refusal only makes it take the next address at once.
        secret: One password for all; 0 for another each time.
        own: An account whose password it knows and uses before each guess.

    """
    now_s = BEGINS_S + chance.random() * pace_s
    while True:
        here = host()
        if own is not None:
            yield Login(now_s - 1, party, here, cast.front, own, 1, right=True)
        answer = yield Login(
            now_s, party, here, cast.front, chance.choice(names), secret or next(cast.secrets)
        )
        wait_s = pace_s * chance.uniform(0.8, 1.2)
        if answer in (Answer.REFUSED, Answer.DROPPED) and not moves:
            wait_s = max(wait_s, BACKS_OFF_S)
        now_s += wait_s


def fast(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
    """Try a dictionary, every 2 s."""
    here = Host.of("198.18.0.1")
    yield guesser(party, chance, cast, pace_s=2, names=cast.dictionary, host=lambda: here)


def slow(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
    """Try leaked names, 5 times a day."""
    here = Host.of("198.18.1.1")
    yield guesser(party, chance, cast, pace_s=DAY_S / 5, names=cast.leaked, host=lambda: here)


def botnet(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
    """Try leaked names from 5,000 addresses all over the world, each once in 6 hours."""
    for _ in range(BOTS):
        here = itertools.repeat(Host((chance.randrange(1 << 24, 198 << 24)).to_bytes(4)))
        yield guesser(party, chance, cast, pace_s=BOT_PACE_S, names=cast.leaked, host=here.__next__)


def hopper4(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
    """Try leaked names from all addresses of a /24 in turn, one a minute."""
    hosts = [Host.of(f"198.18.4.{number}") for number in range(10, 250)]
    turn = itertools.cycle(hosts)
    yield guesser(
        party,
        chance,
        cast,
        pace_s=MINUTE_S,
        names=cast.leaked,
        host=turn.__next__,
        moves=True,
    )


def hopper6(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
    """Try leaked names from all /64 of an IPv6 /48, one a minute."""
    network = bytes.fromhex("20010db80006")
    yield guesser(
        party,
        chance,
        cast,
        pace_s=MINUTE_S,
        names=cast.leaked,
        host=lambda: Host(network + chance.randbytes(10)),
        moves=True,
    )


def without_account(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
    """Try the dictionary, every 30 s."""
    here = Host.of("198.18.5.1")
    yield guesser(party, chance, cast, pace_s=30, names=cast.dictionary, host=lambda: here)


def with_account(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
    """Try the same, and log in with an account of its own before each guess."""
    here = Host.of("198.18.5.1")
    own = make_account("bought@example.org")
    yield guesser(party, chance, cast, pace_s=30, names=cast.dictionary, host=lambda: here, own=own)


def sprayer(party: Party, chance: random.Random, cast: Cast) -> Iterator[Life]:
    """Try one password for all names of the dictionary, every 3 minutes."""
    here = Host.of("198.18.6.1")
    yield guesser(
        party, chance, cast, pace_s=3 * MINUTE_S, names=cast.dictionary, host=lambda: here, secret=7
    )


ATTACKS: dict[str, Attack] = {
    "fast guesser": fast,
    "slow guesser": slow,
    "botnet": botnet,
    "/24 hopper": hopper4,
    "IPv6 /48 hopper": hopper6,
    "no account": without_account,
    "one valid account": with_account,
    "spraying": sprayer,
}
