# SPDX-License-Identifier: ISC
"""What must never reach the packet filter, whoever asks: the privileged side's own check of each entry."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from filter_ban.client import IPV4_BITS, IPV6_BITS, ClientKey, NetworkSet, key_text, make_key, widen

Wish = tuple[Any, Any]  # what should be a client key and the Unix second at which its ban ends, or None
MAX_BAN_S: Final = 100 * 366 * 86_400  # longer is "until lifted"; nft's clock has room for it
_PREFIX_BITS: Final = {IPV4_BITS // 8 + 1: IPV4_BITS, IPV6_BITS // 8 + 1: IPV6_BITS}  # by length of a key
_MAPPED: Final = make_key(bytes(10) + b"\xff\xff" + bytes(4), 96)  # IPv4-mapped IPv6 must come as IPv4


class Guard:
    """
    Tells entries that may be pushed from those that may not.

    Args:
        never: Networks that no entry may share an address with.
        widest_ipv4: Shortest prefix length of an IPv4 entry.
        widest_ipv6: Shortest prefix length of an IPv6 entry.
        max_entries: Entries that the table may hold.

    """

    def __init__(self, never: NetworkSet, *, widest_ipv4: int, widest_ipv6: int, max_entries: int) -> None:
        self._never = never
        self._widest = {IPV4_BITS: widest_ipv4, IPV6_BITS: widest_ipv6}
        self._max_entries = max_entries
        self._never_within: dict[tuple[int, int], dict[ClientKey, ClientKey]] = {}

    def check(
        self, wishes: Iterable[Wish], *, held: Collection[ClientKey], now_s: float
    ) -> tuple[dict[ClientKey, int | None], list[tuple[Any, str]]]:
        """
        Split *wishes* into entries and their ends, and the refused with the reason.

        Args:
            wishes: What is asked for; nothing about it is taken for granted.
            held: What the table holds already; asking for it again takes no room.
            now_s: Unix seconds.

        """
        allowed: dict[ClientKey, int | None] = {}
        refused = []
        room = self._max_entries - len(held)
        for key, end_s in wishes:
            problem = self._problem(key) or _end_problem(end_s, now_s)
            if not problem and key not in held and key not in allowed:
                room -= 1
                if room < 0:
                    problem = f"the table holds {self._max_entries} entries at most"
            if problem:
                refused.append((key, problem))
            else:
                allowed[key] = end_s
        return allowed, refused

    def _problem(self, key: Any) -> str:
        if not _is_key(key):
            return "not a client key"
        bits = _PREFIX_BITS[len(key)]
        if key[-1] < self._widest[bits]:
            return f"wider than /{self._widest[bits]}"
        never = self._never.covering(key) or self._never_in(key)
        return f"shares addresses with {key_text(never)}, which is never banned" if never else ""

    def _never_in(self, key: ClientKey) -> ClientKey | None:
        """Return a never-banned network within *key*; one probe, where ``overlapping`` goes through all of them."""
        net = (len(key), key[-1])
        if net not in self._never_within:
            members = (member for member in self._never if len(member) == len(key) and member[-1] >= key[-1])
            self._never_within[net] = {widen(member, key[-1]): member for member in members}
        return self._never_within[net].get(key)


def _is_key(key: Any) -> bool:
    if not isinstance(key, bytes) or len(key) not in _PREFIX_BITS or key[-1] > _PREFIX_BITS[len(key)]:
        return False
    if len(key) == len(_MAPPED) and key[-1] >= _MAPPED[-1] and widen(ClientKey(key), _MAPPED[-1]) == _MAPPED:
        return False
    return make_key(key[:-1], key[-1]) == key


def _end_problem(end_s: Any, now_s: float) -> str:
    if end_s is None:
        return ""
    if type(end_s) is not int:
        return "its end is no number of seconds"
    if end_s <= now_s:
        return "its end has passed"
    return "" if end_s <= now_s + MAX_BAN_S else "its end is more than 100 years away"
