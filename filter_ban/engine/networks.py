# SPDX-License-Identifier: ISC
"""
Networks whose members guess: what a client fails counts against the /24 (IPv6: /56 and /48) around it too.

A hopper uses each address for less than any limit, and none is ever banned; so it is failures that are counted here, and
not banned members. A failure is 14 bytes: time, weight in hundredths, CRC-32 of the member, tag of the user.
"""

import struct
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final
from zlib import crc32

from filter_ban.client import ClientKey, is_ipv4, widen

IPV4_PREFIXES: Final = (24,)
IPV6_PREFIXES: Final = (56, 48)
MAX_FAILURES: Final = 64  # remembered for one network

_FAILURE: Final = struct.Struct("<IHII")
_FAILURE_BYTES: Final = _FAILURE.size


class Networks:
    """
    Failures by network, in at most *max_networks* of them, least recently failed out first.

    Args:
        members: So many distinct clients must have failed; 0: networks are not judged.
        hundredths: What they must have failed together.
        window_s: Within so many seconds.
        widest: The widest prefix for IPv4 and for IPv6.
        max_networks: Bound.

    """

    def __init__(
        self, *, members: int, hundredths: int, window_s: float, widest: tuple[int, int], max_networks: int
    ) -> None:
        self._max_networks = max_networks
        self._failures: OrderedDict[ClientKey, bytes] = OrderedDict()
        self.judge_by(members=members, hundredths=hundredths, window_s=window_s, widest=widest)

    def judge_by(self, *, members: int, hundredths: int, window_s: float, widest: tuple[int, int]) -> None:
        """Find networks guilty by these from now on; see the class."""
        self._members = members
        self._hundredths = hundredths
        self._window_s = window_s
        self._ipv4 = tuple(prefix for prefix in IPV4_PREFIXES if members and prefix >= widest[0])
        self._ipv6 = tuple(prefix for prefix in IPV6_PREFIXES if members and prefix >= widest[1])

    def count(
        self, client: ClientKey, time_s: float, hundredths: int, user_tag: int, now_s: float
    ) -> ClientKey | None:
        """Remember a failure of *client* at *time_s*; return the narrowest network around it that is guilty now, or None."""
        guilty = None
        failures = self._failures
        record = _FAILURE.pack(int(time_s), hundredths, crc32(client), user_tag)
        for network in self.around(client):
            seen = failures[network] = (
                failures.get(network, b"")[-(MAX_FAILURES - 1) * _FAILURE_BYTES :] + record
            )
            failures.move_to_end(network)
            if guilty is None and self._is_guilty(seen, now_s):
                guilty = network
            if len(failures) > self._max_networks:
                failures.popitem(last=False)
        return guilty

    def forgive(self, client: ClientKey, user_tag: int) -> None:
        """Forget what *client* failed for one user."""
        number = crc32(client)
        for network in self.around(client):
            seen = self._failures.get(network)
            if seen is not None:
                self._failures[network] = b"".join(
                    _FAILURE.pack(*failure)
                    for failure in _FAILURE.iter_unpack(seen)
                    if failure[2:] != (number, user_tag)
                )

    def around(self, client: ClientKey) -> Iterator[ClientKey]:
        """Yield the networks that *client* is judged with, the narrowest first."""
        for prefix in self._ipv4 if is_ipv4(client) else self._ipv6:
            if prefix < client[-1]:
                yield widen(client, prefix)

    def _is_guilty(self, seen: bytes, now_s: float) -> bool:
        if len(seen) < self._members * _FAILURE_BYTES:
            return False
        recent = [failure for failure in _FAILURE.iter_unpack(seen) if now_s - failure[0] < self._window_s]
        return (
            sum(failure[1] for failure in recent) >= self._hundredths
            and len({failure[2] for failure in recent}) >= self._members
        )
