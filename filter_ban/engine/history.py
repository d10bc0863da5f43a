# SPDX-License-Identifier: ISC
"""
The strikes of one client, packed into ``bytes``: 18 a strike, because a million clients are tracked.

A record is the time in Unix seconds, the weight in hundredths, and 32-bit tags of the user name (0: none) and of the
secret that was tried (see the constants). Within one client's few strikes 32 bits tell names and secrets apart. Records
are in the order of time.
"""

import itertools
import math
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from filter_ban.config.values import Limit

NO_SECRET: Final = 0  # the sensor cannot see it: nothing is known
FORGOTTEN_SECRET: Final = 1  # restored from the ledger, which never holds anything made from a secret

_RECORD: Final = struct.Struct("<dHII")
_TAGS: Final = struct.Struct("<II")
_TIME_WEIGHT: Final = struct.Struct("<dH8x")
_TIME: Final = struct.Struct("<d")
RECORD_BYTES: Final = _RECORD.size
HUNDREDTHS: Final = 100
MAX_HUNDREDTHS: Final = 0xFFFF  # of one strike
pack_strike = _RECORD.pack
_pack_tags = _TAGS.pack
_unpack_time = _TIME.unpack_from


def prepend(history: bytes, time_s: float, weight: float, user: int, secret: int) -> bytes:
    """Return *history* with one more strike at its beginning."""
    if history:
        time_s = min(time_s, _unpack_time(history)[0])
    return pack_strike(time_s, round(weight * HUNDREDTHS), user, secret) + history


def insert(
    history: bytes, time_s: float, hundredths: int, user: int, secret: int
) -> tuple[bytes, int] | None:
    """
    Return *history* with one more strike in its place, and where that ends.

    None if a strike of that time and user is there: it is the same one. Those of the same time are in the order of users.
    """
    at = len(history)
    while at:
        known_s, _, known_user, _ = _RECORD.unpack_from(history, at - RECORD_BYTES)
        if (known_s, known_user) < (time_s, user):
            break
        if known_s == time_s and known_user == user:
            return None
        at -= RECORD_BYTES
    return history[:at] + pack_strike(time_s, hundredths, user, secret) + history[at:], at + RECORD_BYTES


def newest_s(history: bytes) -> float:
    """Return the time of the newest strike."""
    return _unpack_time(history, -RECORD_BYTES)[0]  # type: ignore[no-any-return]  # struct's types are not known


def tried(history: bytes, user: int, secret: int) -> bool:
    """Return whether this user and secret were tried before; the tags are keyed hashes: a chance match is nil."""
    return _pack_tags(user, secret) in history


def learn(history: bytes, user: int, secret: int) -> bytes | None:
    """
    Return *history* with the first forgotten secret of *user* taken to be *secret*; None where there is none.

    After a restart a phone with an old password is thus not counted anew, and a guesser gains one try for a strike.
    """
    at = history.find(_pack_tags(user, FORGOTTEN_SECRET))
    if at < 0:
        return None
    return history[:at] + _pack_tags(user, secret) + history[at + _TAGS.size :]


def reached(history: bytes, limits: Iterable[Limit]) -> tuple[Limit, float] | None:
    """
    Return the first limit that the strikes up to the newest one reach, and their sum in its window; else None.

    Args:
        history: At least one strike; the newest decides what "now" is. Windows are half-open: (now - window, now].
        limits: Ascending in window and in count (see :class:`filter_ban.engine.policy.Policy`).

    """
    strikes = list(_TIME_WEIGHT.iter_unpack(history))
    now_s = strikes[-1][0]
    ahead = iter(limits)
    limit = next(ahead)
    hundredths = 0
    for time_s, weight in reversed(strikes):
        while now_s - time_s >= limit.window_s:
            following = next(ahead, None)
            if following is None:
                return None
            limit = following
        hundredths += weight
        if hundredths >= limit.count * HUNDREDTHS:
            return limit, hundredths / HUNDREDTHS
    return None


def ends_reached(history: bytes, since_s: float, limits: tuple[Limit, ...]) -> Iterator[int]:
    """Yield where each strike from *since_s* on ends that, with those before it, reaches a limit; see :func:`reached`."""
    times, weights = zip(*_TIME_WEIGHT.iter_unpack(history), strict=True)
    sums = list(itertools.accumulate(weights, initial=0))
    if sums[-1] < limits[0].count * HUNDREDTHS:
        return
    for at in range(bisect_left(times, since_s), len(times)):
        for limit in limits:
            first = bisect_right(times, times[at] - limit.window_s)
            if sums[at + 1] - sums[first] >= limit.count * HUNDREDTHS:
                yield (at + 1) * RECORD_BYTES
                break


def total(history: bytes, now_s: float, window_s: float, enough: float = math.inf) -> float:
    """
    Return the sum of the strikes in (now_s - window_s, now_s], from the newest back until it is *enough*.

    So it is the same whether or not those behind have been trimmed.
    """
    hundredths = 0
    for time_s, weight in reversed(list(_TIME_WEIGHT.iter_unpack(history))):
        if time_s <= now_s - window_s or hundredths >= enough * HUNDREDTHS:
            break
        hundredths += weight
    return hundredths / HUNDREDTHS


def trim(history: bytes, window_s: float, enough: float) -> bytes:
    """
    Return *history* without the strikes that can decide nothing any more.

    Those are the ones older than the longest window, and the ones behind newer strikes that already sum up to *enough*,
    the highest limit.
    """
    now_s = newest_s(history)
    hundredths = 0
    at = len(history)
    for time_s, weight in reversed(list(_TIME_WEIGHT.iter_unpack(history))):
        if now_s - time_s >= window_s or hundredths >= enough * HUNDREDTHS:
            break
        hundredths += weight
        at -= RECORD_BYTES
    return history[at:]


def is_restored(history: bytes) -> bool:
    """Return whether the newest strike is from before the start."""
    return bool(_RECORD.unpack_from(history, len(history) - RECORD_BYTES)[3] == FORGOTTEN_SECRET)


def reweigh(history: bytes, time_s: float, user: int, hundredths: int) -> bytes | None:
    """Return *history* with at least *hundredths* for a user's strike of *time_s*; None if it is not there any more."""
    for at in range(len(history) - RECORD_BYTES, -1, -RECORD_BYTES):
        known_s, weight, known_user, secret = _RECORD.unpack_from(history, at)
        if known_s == time_s and known_user == user:
            record = pack_strike(time_s, max(weight, hundredths), user, secret)
            return history[:at] + record + history[at + RECORD_BYTES :]
    return None


def note_try(history: bytes, time_s: float, user: int) -> bytes:
    """Return *history* with a try of *user* that weighs nothing, in the place of the one noted before."""
    records = (history[at : at + RECORD_BYTES] for at in range(0, len(history), RECORD_BYTES))
    kept = [record for record in records if _RECORD.unpack(record)[1:3] != (0, user)]
    return b"".join(kept) + pack_strike(max(time_s, newest_s(history)), 0, user, NO_SECRET)


def last_try_s(history: bytes, user: int) -> float:
    """Return when *user* was tried last; minus infinity for never."""
    for at in range(len(history) - RECORD_BYTES, -1, -RECORD_BYTES):
        time_s, _, known, _ = _RECORD.unpack_from(history, at)
        if known == user:
            return float(time_s)
    return -math.inf


def without_repeats(history: bytes, form_of: Callable[[int], int]) -> bytes:
    """
    Return *history* with only the first of the strikes for which one user tried one secret.

    Several nodes that did not hear of each other may have counted it. *form_of* gives what all nodes know of a secret's
    tag; 0: nothing.
    """
    seen: set[tuple[int, int]] = set()
    kept = []
    for at in range(0, len(history), RECORD_BYTES):
        user, secret = _TAGS.unpack_from(history, at + RECORD_BYTES - _TAGS.size)
        form = user and form_of(secret)
        if form and (user, form) in seen:
            continue
        seen.add((user, form))
        kept.append(history[at : at + RECORD_BYTES])
    return history if len(kept) * RECORD_BYTES == len(history) else b"".join(kept)


def is_one_program(history: bytes, pace_s: float) -> bool:
    """Return whether it may be one program with an old password: one user, no visible secret, never in haste."""
    strikes = list(_RECORD.iter_unpack(history))
    users = {user for _, _, user, _ in strikes}
    return (
        len(strikes) > 1
        and len(users) == 1
        and 0 not in users
        and all(secret in (NO_SECRET, FORGOTTEN_SECRET) for _, _, _, secret in strikes)
        and all(later[0] - earlier[0] >= pace_s for earlier, later in itertools.pairwise(strikes))
    )


def without_user(history: bytes, user: int, until_s: float) -> bytes:
    """Return *history* without the strikes of one user name until then."""
    records = (history[at : at + RECORD_BYTES] for at in range(0, len(history), RECORD_BYTES))
    return b"".join(
        record
        for record in records
        if _TAGS.unpack_from(record, RECORD_BYTES - _TAGS.size)[0] != user or newest_s(record) > until_s
    )


def after(history: bytes, time_s: float) -> bytes:
    """Return *history* without the strikes until *time_s*."""
    at = 0
    while at < len(history) and _unpack_time(history, at)[0] <= time_s:
        at += RECORD_BYTES
    return history[at:]
