# SPDX-License-Identifier: ISC
"""Signals: what sensors see, and the one way in which it goes into an engine, be it live or replayed."""

from typing import Final

import attrs

from filter_ban.client import ClientKey
from filter_ban.clients import Clients
from filter_ban.engine import Engine
from filter_ban.engine.history import NO_SECRET
from filter_ban.model import Ban, Kind

LAST_S: Final = 2**32  # in the year 2106; what claims to be from later, or from before 1970, is no signal


@attrs.define
class Signal:
    """
    What a sensor saw.

    ``address`` is text as the server wrote it. ``user`` is the name as seen, bounded, or its hidden form in a recording;
    ``user_tag`` is its keyed hash (0: none) and ``secret`` that of the secret tried (NO_SECRET: not visible).
    """

    time_s: float
    kind: Kind
    address: str
    service: str = ""
    user: str = ""
    user_tag: int = 0
    secret: int = NO_SECRET


def feed(engine: Engine, clients: Clients, signal: Signal) -> Ban | None:
    """
    Let *engine* judge by *signal*.

    Whether a ban is over is said by the signal's own time, so that signals in the order of time give the same bans
    however often the engine is asked to expire.

    Returns: the ban that the client was under before; None if it was under none, or is never counted.

    """
    client = clients.of(signal.address)
    if not client or not 0 <= signal.time_s < LAST_S:
        return None
    engine.resolve(signal.time_s)
    ban = ban_at(engine, client, signal.time_s)
    if signal.kind is not Kind.AUTH_PASS:
        engine.strike(
            signal.kind,
            client,
            signal.time_s,
            signal.user,
            signal.user_tag,
            signal.secret,
            signal.service,
        )
    elif signal.user_tag:  # a log may tell of a login and not whose it was
        engine.success(client, signal.user_tag, signal.time_s)
    return ban


def ban_at(engine: Engine, client: ClientKey, time_s: float) -> Ban | None:
    """Return the ban that *client* is under at *time_s*, or None."""
    ban = engine.ban_of(client)
    return None if ban is None or (ban.end_s is not None and ban.end_s <= time_s) else ban
