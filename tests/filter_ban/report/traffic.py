# SPDX-License-Identifier: ISC
"""A ledger as weeks of guessing leave it: the same for the same arguments."""

import math
import random
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from filter_ban.client import ClientKey, key_text, make_key, widen
from filter_ban.ledger import Ledger
from filter_ban.model import Ban, Kind, Strike
from filter_ban.tally import HOUR_S, OTHERS, Run, Tally, What

DAY_S = 86_400
LENGTHS_S = (900, 900, 900, 7200, 7200, 86_400, 604_800)
RULES = ("5 in 10m", "5 in 10m", "5 in 10m", "10 in 24h", "10 in 24h", "20 in 7d", "decoy", "by hand")
USERS = ("in…@example.org", "ad…@example.org", "te…", "ma…@example.net", "sa…@example.org", "ro…", "…")
SERVICES = ("smtps 192.0.2.25:465", "submission 192.0.2.25:587", "imap", "smtp 192.0.2.25:25")
NAMES = 50  # of each ranking in an hour, as the daemon keeps them


def fill(path: Path, now_s: float, *, days: int, failures_a_day: int, strike_days: int = 7) -> int:
    """
    Make a ledger at *path* that was kept for *days* until now, and for as many before it.

    Returns: how many strikes it holds, which are those of the last *strike_days*.
    """
    chance = random.Random(7)
    last_hour = int(now_s // HOUR_S)
    with Ledger.open(path, now_s) as ledger:
        for hour in range(last_hour - 2 * days * 24, last_hour + 1):
            ledger.add_tallies(list(_hour(hour, failures_a_day / 24 * _tide(hour), chance)))
        bans = list(_bans(now_s - days * DAY_S, now_s, days * failures_a_day // 40, chance))
        ledger.record_bans(bans)
        recent = [ban for ban in bans if ban.start_s > now_s - strike_days * DAY_S]
        strikes = _strikes(recent, now_s, strike_days * failures_a_day, strike_days, chance)
        written = 0
        while chunk := list(islice(strikes, 4000)):
            ledger.record_strikes(chunk)
            written += len(chunk)
        return written


def _tide(hour: int) -> float:
    """Return how busy an hour is beside the average: guessers have days and nights too."""
    wave = 1 + 0.45 * math.sin(hour * math.tau / 24) + 0.2 * math.sin(hour * math.tau / 71)
    return wave * (3.2 if hour % 149 < 3 else 1)


def _hour(hour: int, failures: float, chance: random.Random) -> Iterator[Tally]:
    failures *= chance.uniform(0.8, 1.2)
    count = int(failures)
    yield Tally(hour, What.RUN, Run.MINUTE, 60)
    yield Tally(hour, What.SEEN, Kind.AUTH_PASS, int(40 * chance.random()))
    yield Tally(hour, What.SEEN, Kind.AUTH_FAIL, int(failures * 1.1))
    for kind, part in (
        (Kind.AUTH_FAIL, 0.8),
        (Kind.UNKNOWN_USER, 0.15),
        (Kind.AUTH_ABORT, 0.04),
        (Kind.DECOY, 0.01),
    ):
        yield Tally(hour, What.FAILURE, kind, int(count * part))
    yield Tally(hour, What.REFUSAL, "", int(failures * chance.uniform(0.5, 0.7)))
    yield Tally(hour, What.DROP, "nftables", int(failures * chance.uniform(4, 9)))
    for rule in set(RULES):
        yield Tally(
            hour, What.BAN, rule, int(failures / 40 * RULES.count(rule) / len(RULES) + chance.random())
        )
    if chance.random() < 0.02:
        yield Tally(hour, What.END, "operator", 1)
    networks = (key_text(make_key(bytes((198, 18 + n % 2, 97 * n % 256, 0)), 24)) for n in range(NAMES - 10))
    wide = (f"2001:db8:{n:x}::/48" for n in range(1, 11))
    yield from _spread(hour, What.NETWORK, [*networks, *wide], count, chance)
    names = [
        *USERS,
        *(f"{chr(97 + n % 26)}{chr(97 + n // 2)}…@example.org" for n in range(NAMES - len(USERS))),
    ]
    yield from _spread(hour, What.USER, names, count, chance)
    yield from _spread(hour, What.SERVICE, SERVICES, count, chance)


def _spread(
    hour: int, what: What, names: "list[str] | tuple[str, ...]", count: int, chance: random.Random
) -> Iterator[Tally]:
    """Yield *count* spread over *names*, the first ones most, and some for the others."""
    weights = [chance.uniform(0.5, 1.5) / (at + 1) for at in range(len(names) + 3)]
    counts: Counter[str] = Counter()
    for name, weight in zip([*names, OTHERS, OTHERS, OTHERS], weights, strict=True):
        counts[name] += int(count * weight / sum(weights))
    return (Tally(hour, what, name, number) for name, number in counts.items() if number)


def _bans(start_s: float, end_s: float, number: int, chance: random.Random) -> Iterator[Ban]:
    starts_s = sorted(chance.uniform(start_s, end_s) for _ in range(number))
    for at, ban_s in enumerate(starts_s):
        yield Ban(
            client=_client(at),
            start_s=int(ban_s),
            end_s=int(ban_s) + chance.choice(LENGTHS_S),
            rule=chance.choice(RULES),
            reason="failed logins",
            strikes=5.0,
            reference=f"{at:08X}",
        )


def _strikes(
    bans: list[Ban], now_s: float, number: int, days: int, chance: random.Random
) -> Iterator[Strike]:
    """Yield strikes: five that led to each ban, and those of many others."""
    for ban in bans:
        pace_s = math.exp(chance.uniform(-3, 4))
        for at in range(5):
            time_s = ban.start_s + 0.5 - (4 - at) * pace_s
            yield Strike(ban.client, time_s, Kind.AUTH_FAIL, 1.0, "info@example.org", 9, "smtps")
    for at in range(max(0, number - 5 * len(bans))):
        time_s = now_s - chance.random() * days * DAY_S
        yield Strike(
            _client(5_000_000 + at // 3), time_s, Kind.AUTH_FAIL, 1.0, "info@example.org", 9, "smtps"
        )


def _client(number: int) -> ClientKey:
    return widen(make_key((number * 2_654_435_761 % 2**32).to_bytes(4), 32), 32)
