# SPDX-License-Identifier: ISC
"""The strikes that stand against each client; what they weigh, and what follows from them, is the engine's business."""

import math
from typing import Final
from zlib import crc32

from filter_ban.client import ClientKey
from filter_ban.engine import history as _history
from filter_ban.engine.ban_book import BanBook
from filter_ban.engine.history import RECORD_BYTES, pack_strike
from filter_ban.engine.policy import Policy
from filter_ban.engine.tables import Table, make_tables
from filter_ban.model import Ban

TRIMMED_BYTES: Final = 16 * RECORD_BYTES  # a long history is trimmed whenever it has grown by so much
_LIGHT: Final = 8  # strikes of a client that reach no limit are remembered to so many times the highest one


class StrikeBook(BanBook):
    """Histories of at most ``policy.max_clients`` clients, the least recently seen first out; and the ban book."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self.evicted = 0
        self._tables = make_tables(policy.max_clients)  # of histories, by the hash of the client
        self._latest_s = 0.0
        self._has_forgotten = False  # whether some history has FORGOTTEN_SECRET in it
        self._count_by(policy)

    def _count_by(self, policy: Policy) -> None:
        self.policy = policy
        self._longest_s = policy.longest_window_s
        self._enough = policy.enough
        self._enough_bytes = max(1, int(policy.enough)) * RECORD_BYTES
        self._most_bytes = self._enough_bytes * _LIGHT
        self._table_size = max(1, policy.max_clients // len(self._tables))

    def __len__(self) -> int:
        return sum(map(len, self._tables))

    def strikes(self, client: ClientKey, now_s: float, window_s: float = math.inf) -> float:
        """
        Return the sum of the strikes of *client* in the last *window_s*, at most in the longest window.

        What is beyond the highest limit is left out but for the strike that reaches it.
        """
        window_s = min(window_s, self._longest_s)
        return _history.total(self._table(client).get(client, b""), now_s, window_s, self._enough)

    def _table(self, client: ClientKey) -> Table:
        return self._tables[crc32(client) % len(self._tables)]

    def _is_repeat(
        self, clients: Table, client: ClientKey, history: bytes, user_tag: int, secret: int
    ) -> bool:
        """Return whether this user and secret were tried before."""
        if _history.tried(history, user_tag, secret):
            clients.move_to_end(client)
            return True
        learned = _history.learn(history, user_tag, secret) if self._has_forgotten else None
        if learned is None:
            return False
        clients[client] = learned
        return True

    def _add(  # noqa: PLR0917 - keywords cost time where each failed login passes
        self,
        clients: Table,
        client: ClientKey,
        history: bytes,
        time_s: float,
        hundredths: int,
        user_tag: int,
        secret: int,
    ) -> tuple[float, bytes]:
        """
        Put a strike at the end of a history; return the time that it has there, and the history.

        One that is reported late is a moment later than the newest: time never runs backwards within a client, and each
        of its strikes has a time of its own.
        """
        if history:
            clients.move_to_end(client)
        elif len(clients) >= self._table_size:
            self._make_room(clients)
        if time_s > self._latest_s:
            self._latest_s = time_s
        elif history and time_s <= (newest_s := _history.newest_s(history)):
            time_s = math.nextafter(newest_s, math.inf)
            self._latest_s = max(self._latest_s, time_s)
        history += pack_strike(time_s, hundredths, user_tag, secret)
        if len(history) > self._enough_bytes and not len(history) % TRIMMED_BYTES:
            history = self._trim(history)
        clients[client] = history
        return time_s, history

    def _make_room(self, clients: Table) -> None:
        """Let the least recently seen client go."""
        clients.popitem(last=False)
        self.evicted += 1

    def _trim(self, history: bytes) -> bytes:
        """Return *history* without what decides nothing any more."""
        return _history.trim(history, self._longest_s, self._enough)[-self._most_bytes :]

    def _keep(self, client: ClientKey, history: bytes) -> None:
        """Have *history*, if anything is left of it, in the place of what there is."""
        if history:
            self._table(client)[client] = history
        else:
            self._table(client).pop(client, None)

    def lift(self, client: ClientKey, time_s: float = math.inf) -> Ban | None:
        """
        End and return the ban of just *client*, as if it had never been: strikes and offence are gone too.

        Strikes later than *time_s* stay.
        """
        ban = super().lift(client)
        if ban is not None:
            self._void(client, time_s)
        return ban

    def _void(self, client: ClientKey, until_s: float) -> None:
        """Forget the strikes of *client* until then."""
        self._keep(client, _history.after(self._table(client).get(client, b""), until_s))
