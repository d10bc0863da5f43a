# SPDX-License-Identifier: ISC
"""
Clients and prefixes as keys: what is counted, banned and pushed as one.

A key is a short ``bytes`` (the masked network address in network order and one byte for the prefix length): five
bytes for IPv4 and 17 for IPv6. A million of them live in the engine, hence no class. IPv4-mapped IPv6 is IPv4.
"""

import functools
import socket
from collections.abc import Iterable, Iterator
from typing import Final, NewType

ClientKey = NewType("ClientKey", bytes)
NOBODY: Final = ClientKey(b"")
"""The key of whoever is never counted; no ban covers it."""

IPV4_BITS: Final = 32
IPV6_BITS: Final = 128
_MAPPED: Final = bytes(10) + b"\xff\xff"  # RFC 4291, 2.5.5.2
_LENGTHS: Final = tuple(length.to_bytes(1) for length in range(IPV6_BITS + 1))  # the last byte of a key


def pack_address(text: str) -> bytes:
    """
    Return an address literal as 4 or 16 bytes in network order.

    Brackets and an IPv6 zone (``[fe80::1%em0]``, as smtpd writes them) are accepted and dropped.

    Raises:
        ValueError: *text* is no IPv4 or IPv6 address.

    """
    try:
        if ":" not in text:
            return socket.inet_pton(socket.AF_INET, text)
        literal = text.removeprefix("[").removesuffix("]").partition("%")[0]
        packed = socket.inet_pton(socket.AF_INET6, literal)
    except (OSError, ValueError):
        raise ValueError(f"{text[:100]!r}: not an IPv4 or IPv6 address") from None
    return packed[12:] if packed.startswith(_MAPPED) else packed


@functools.cache
def _mask(bits: int, prefix: int) -> int:
    return (1 << bits) - (1 << (bits - prefix))


def make_key(packed: bytes, prefix: int) -> ClientKey:
    """Return the key of the network of *prefix* bits around a packed address."""
    bits = len(packed) * 8
    if prefix == bits:
        return ClientKey(packed + _LENGTHS[prefix])
    network = int.from_bytes(packed) & _mask(bits, prefix)
    return ClientKey(network.to_bytes(len(packed)) + _LENGTHS[prefix])


def parse_network(text: str) -> ClientKey:
    """
    Return the key of an address or of a prefix in CIDR form.

    Raises:
        ValueError: *text* is neither, or has bits set to the right of its prefix.

    """
    address, slash, length = text.strip().partition("/")
    packed = pack_address(address)
    bits = len(packed) * 8
    if not slash:
        return make_key(packed, bits)
    if not (length.isascii() and length.isdigit() and len(length) <= 3 and int(length) <= bits):  # noqa: PLR2004 - "128"
        raise ValueError(f"{text[:100]!r}: the prefix length must be 0 to {bits}")
    key = make_key(packed, int(length))
    if key[:-1] != packed:
        raise ValueError(
            f"{text[:100]!r}: has bits set to the right of /{length}; did you mean {key_text(key)}?"
        )
    return key


LOOPBACK: Final = (parse_network("127.0.0.0/8"), parse_network("::1"))


def prefix_of(key: ClientKey) -> int:
    """Return the prefix length of *key* in bits."""
    return key[-1]


def is_ipv4(key: ClientKey) -> bool:
    """Return whether *key* is an IPv4 address or network."""
    return len(key) == 5  # noqa: PLR2004 - four bytes of address, one of prefix length


def is_host(key: ClientKey) -> bool:
    """Return whether *key* is one address and not a wider network."""
    return key[-1] == (len(key) - 1) * 8


def widen(key: ClientKey, prefix: int) -> ClientKey:
    """Return the network of *prefix* bits that contains *key*; *key* itself where it is as wide already."""
    return key if prefix >= key[-1] else make_key(key[:-1], prefix)


def key_text(key: ClientKey) -> str:
    """Return the canonical text of *key*: ``192.0.2.7``, ``192.0.2.0/24``, ``2001:db8::/64``."""
    address = address_text(key)
    return address if is_host(key) else f"{address}/{key[-1]}"


def address_text(key: ClientKey) -> str:
    """Return the first address of *key*, without a prefix length."""
    return socket.inet_ntop(socket.AF_INET if is_ipv4(key) else socket.AF_INET6, key[:-1])


class NetworkSet:
    """
    A set of networks that answers whether one of them contains, or lies within, a given key.

    A look-up costs one probe for each prefix length in use, whatever the number of networks.
    """

    def __init__(self, networks: Iterable[ClientKey] = ()) -> None:
        self._keys = frozenset(networks)
        # by address length in bytes: prefix, its shift, and the networks without their host bits; widest first
        self._members = {
            4: _by_prefix(key for key in self._keys if is_ipv4(key)),
            16: _by_prefix(key for key in self._keys if not is_ipv4(key)),
        }

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[ClientKey]:
        return iter(self._keys)

    def covers(self, packed: bytes) -> bool:
        """Return whether a member contains the address *packed*."""
        number = int.from_bytes(packed)
        for _, shift, members in self._members[len(packed)]:  # noqa: SIM110 - any() of a generator takes three times as long
            if number >> shift in members:
                return True
        return False

    def covering(self, key: ClientKey) -> ClientKey | None:
        """Return the widest member that contains *key* whole, or None."""
        number = int.from_bytes(key[:-1])
        for prefix, shift, members in self._members[len(key) - 1]:
            if prefix > key[-1]:
                return None
            if number >> shift in members:
                return widen(key, prefix)
        return None

    def overlapping(self, key: ClientKey) -> ClientKey | None:
        """Return a member that shares an address with *key*, or None."""
        found = self.covering(key)
        if found is not None or is_host(key):
            return found
        return next(
            (member for member in self._keys if len(member) == len(key) and widen(member, key[-1]) == key),
            None,
        )


def _by_prefix(keys: Iterable[ClientKey]) -> list[tuple[int, int, frozenset[int]]]:
    members: dict[tuple[int, int], set[int]] = {}
    for key in keys:
        shift = (len(key) - 1) * 8 - key[-1]
        members.setdefault((key[-1], shift), set()).add(int.from_bytes(key[:-1]) >> shift)
    return [(prefix, shift, frozenset(numbers)) for (prefix, shift), numbers in sorted(members.items())]
