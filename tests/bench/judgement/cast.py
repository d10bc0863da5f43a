# SPDX-License-Identifier: ISC
"""The accounts of the simulated server, and the names that attackers have."""

import itertools
import random
from collections.abc import Iterator

import attrs

from filter_ban.digest import blake2b
from tests.bench.judgement.login import Account, Front

LEAKED = 50
DICTIONARY = 2000
UNKNOWN_SHARE = 0.6  # of an attacker's dictionary
FOREIGN_SHARE = 0.05


def make_account(name: str, *, exists: bool = True) -> Account:
    """Return the account *name*, with the tag that sensors would give it."""
    tag = int.from_bytes(blake2b(name.encode(), digest_size=4).digest()) or 1
    return Account(name, tag, exists, local=name.endswith("@example.org"))


@attrs.define
class Cast:
    """
    Who has an account, and what attackers know.

    ``leaked`` are names that exist, from a breach elsewhere; those of the traveller, the commuter, the forgetter and of
    each family's first member are among them. ``dictionary`` is a mixture of existing, unknown and foreign names.
    """

    front: Front  # the one that attackers use
    secrets: Iterator[int]
    leaked: list[Account]
    dictionary: list[Account]

    @classmethod
    def make(cls, front: Front, seed: int) -> "Cast":
        """Return the cast of a run."""
        chance = random.Random(seed)
        leaked = [make_account(f"leaked{number}@example.org") for number in range(LEAKED - len(EXPOSED))]
        leaked += [make_account(name) for name in EXPOSED]
        dictionary = []
        for number in range(DICTIONARY):
            drawn = chance.random()
            if drawn < FOREIGN_SHARE:
                dictionary.append(make_account(f"name{number}@example.net", exists=False))
            elif drawn < FOREIGN_SHARE + UNKNOWN_SHARE:
                dictionary.append(make_account(f"name{number}@example.org", exists=False))
            else:
                dictionary.append(make_account(f"user{number % 400}@example.org"))
        return cls(front, itertools.count(1000), leaked, dictionary)


EXPOSED = (
    "traveller0@example.org",
    "commuter0@example.org",
    "forgetter0@example.org",
    "family0@example.org",
    "family4@example.org",
    "office0@example.org",
    "office1@example.org",
)
