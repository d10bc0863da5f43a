# SPDX-License-Identifier: ISC
"""Sieges: one user name that many distinct clients fail to log in as."""

import struct
from collections import OrderedDict
from collections.abc import Collection, Iterable
from operator import itemgetter
from typing import Final
from zlib import crc32

from filter_ban.client import ClientKey

_FAILURE: Final = struct.Struct("<II")  # CRC-32 of the client, time
_FAILURE_BYTES: Final = _FAILURE.size


class Sieges:
    """
    The last *clients* distinct clients that failed for each user name, of at most *max_users* names.

    Args:
        clients: So many within the window are a siege; 0: there are none.
        window_s: The window.
        max_users: Names that are watched; least recently failed out first.

    """

    def __init__(self, clients: int, window_s: float, max_users: int) -> None:
        self._max_users = max_users
        self.judge_by(clients, window_s)
        self._failures: OrderedDict[int, bytes] = OrderedDict()  # by the user's tag; oldest first within

    def judge_by(self, clients: int, window_s: float) -> None:
        """Take so many clients within that time for a siege from now on."""
        self._enough_bytes = clients * _FAILURE_BYTES
        self._window_s = window_s

    def note(self, user_tag: int, client: ClientKey, time_s: float) -> bool:
        """Remember a failure; return whether the user is besieged now."""
        if not self._enough_bytes:
            return False
        failures = self._failures
        number = crc32(client)
        others = failures.get(user_tag, b"")
        mark = number.to_bytes(4, "little")
        if mark in others:  # seldom by chance, hence the second look
            others = b"".join(
                _FAILURE.pack(*failure) for failure in _FAILURE.iter_unpack(others) if failure[0] != number
            )
        seen = failures[user_tag] = (others + _FAILURE.pack(number, int(time_s)))[-self._enough_bytes :]
        failures.move_to_end(user_tag)
        if len(failures) > self._max_users:
            failures.popitem(last=False)
        return self._is_siege(seen, time_s)

    def hear(self, user_tag: int, client: ClientKey, time_s: float) -> None:
        """Remember a failure that another node has seen, in its place."""
        seen = self._failures.get(user_tag, b"")
        if not seen or int(time_s) >= _FAILURE.unpack_from(seen, len(seen) - _FAILURE_BYTES)[1]:
            self.note(user_tag, client, time_s)
            return
        failures = dict(_FAILURE.iter_unpack(seen))
        number = crc32(client)
        failures[number] = max(int(time_s), failures.get(number, 0))
        in_order = sorted(failures.items(), key=itemgetter(1))
        packed = b"".join(_FAILURE.pack(*failure) for failure in in_order)
        self._failures[user_tag] = packed[-self._enough_bytes :]

    @property
    def users(self) -> Collection[int]:
        """The tags of the users that are watched."""
        return self._failures.keys()

    def besieged(self, now_s: float, among: Iterable[int] | None = None) -> list[int]:
        """Return the tags of the users, of all or *among* some, that are besieged."""
        users = self._failures if among is None else among
        return [tag for tag in users if self._is_siege(self._failures.get(tag, b""), now_s)]

    def _is_siege(self, seen: bytes, now_s: float) -> bool:
        return 0 < len(seen) == self._enough_bytes and now_s - _FAILURE.unpack_from(seen)[1] < self._window_s
