# SPDX-License-Identifier: ISC
"""What all sensors do alike: count a signal, credit a login."""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

import attrs

from filter_ban.client import ClientKey, address_text, key_text
from filter_ban.clients import Clients
from filter_ban.engine import Engine
from filter_ban.engine.history import NO_SECRET
from filter_ban.logline import fact
from filter_ban.model import Kind
from filter_ban.recording import Recorder
from filter_ban.signals import Signal
from filter_ban.tags import SecretTags, UserTags
from filter_ban.verdicts import Verdicts

_log = logging.getLogger(__name__)
MAX_USER: Final = 255  # RFC 4616, 2; what is longer is cut


@attrs.frozen(kw_only=True)
class Means:
    """
    What every sensor works with.

    ``engine`` counts and decides; its owner lets bans expire and hands on what it decides. ``clients`` looks up
    addresses, ``verdicts`` says what a client is told. ``users`` and ``secrets`` make tags of names and passwords.
    ``clock`` gives Unix seconds. ``recorder`` gets every signal; None records nothing.
    """

    engine: Engine
    clients: Clients
    verdicts: Verdicts
    users: UserTags
    secrets: SecretTags
    clock: Callable[[], float]
    recorder: Recorder | None = None


class Sensor:
    """The base of what listens to a server."""

    def __init__(self, means: Means) -> None:
        self.counts: Counter[str] = Counter()
        self._engine = means.engine
        self._clients = means.clients
        self._verdicts = means.verdicts
        self._users = means.users
        self._secrets = means.secrets
        self._clock = means.clock
        self._recorder = means.recorder

    def strike(
        self, kind: Kind, client: ClientKey, *, user: str = "", secret: int = NO_SECRET, service: str = ""
    ) -> None:
        """Count a signal of this moment against *client*."""
        self.counts[kind] += 1
        if client:
            self._tell(kind, client, self._clock(), user[:MAX_USER], secret, service)

    def _tell(  # noqa: PLR0917 - keywords cost time where each failed login passes
        self, kind: Kind, client: ClientKey, time_s: float, user: str, secret: int, service: str
    ) -> None:
        tag = self._users.of(user)
        self._engine.strike(kind, client, time_s, user, tag, secret, service)
        if self._recorder is not None:
            self._recorder.record(Signal(time_s, kind, address_text(client), service, user, tag, secret))

    def credit(self, client: ClientKey, user: str) -> None:
        """Credit *client* with a login, unless it is banned: then a guess was right."""
        self.counts[Kind.AUTH_PASS] += 1
        if not client:
            return
        user, now_s = user[:MAX_USER], self._clock()
        tag = self._users.of(user)
        banned = self._verdicts.ban_of(client) is not None
        self._engine.success(client, tag, now_s)
        if self._recorder is not None:
            self._recorder.record(
                Signal(now_s, Kind.AUTH_PASS, address_text(client), user=user, user_tag=tag)
            )
        if banned:
            self.counts["auth-pass-banned"] += 1
            _log.warning(
                fact("alarm", client=key_text(client), why="banned, and just logged in with a right password")
            )
