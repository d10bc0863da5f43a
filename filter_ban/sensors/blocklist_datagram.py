# SPDX-License-Identifier: ISC
"""
The datagram by which daemons report to blocklistd: bytes to values.

A structure as it lies in the memory of the sender, in host byte order: lengths, version, event, a socket address in 128
bytes, and a text to the end. Who is meant is told first by the descriptor that comes with it; see ``daemon.blocklistd``.

Source: blocklistd, ``lib/bl.c`` (``bl_message_t``), and ``<sys/socket.h>`` and ``<netinet/in.h>`` of each system.
"""

import enum
import socket
import struct
import sys
from typing import Final

import attrs

from filter_ban.text import excerpt

MAX_DATAGRAM: Final = 512  # blocklistd reads no more either
MAX_TEXT: Final = 128  # the library cuts there
VERSION: Final = 1
_HEAD: Final = struct.Struct("=4xIII128s")  # total length, which tells nothing new; version; event; address
_IPV4: Final = slice(4, 8)  # of a socket address of 16 bytes
_IPV6: Final = slice(8, 24)  # of one of 28


class Event(enum.IntEnum):
    """What is reported; the numbers on the wire, not those of the library's functions."""

    FAILURE = 1  # "add": an authentication failed
    SUCCESS = 2  # "delete": one succeeded
    ABUSE = 3
    BAD_USER = 4


@attrs.frozen
class Datagram:
    """
    What a datagram says.

    ``address`` is empty where there is none, or one that makes no sense; ``text`` is escaped.
    """

    event: Event
    address: str
    text: str


class MalformedDatagram(ValueError):  # noqa: N818 - the noun of the field
    """A datagram that says nothing."""


@attrs.frozen
class _SocketAddresses:
    """How a system writes them."""

    has_length: bool  # their first byte is the length and the second the family; else two bytes of family
    ipv6: int  # the family; that of IPv4 is 2 everywhere


_SYSTEMS: Final = {
    "linux": _SocketAddresses(has_length=False, ipv6=10),
    "freebsd": _SocketAddresses(has_length=True, ipv6=28),
    "netbsd": _SocketAddresses(has_length=True, ipv6=24),
    "openbsd": _SocketAddresses(has_length=True, ipv6=24),
}


def decode(datagram: bytes, system: str = sys.platform) -> Datagram:
    """
    Return what *datagram* says.

    Args:
        datagram: As received, at most MAX_DATAGRAM bytes of it.
        system: Decides what socket addresses look like, as in ``sys.platform``.

    Raises:
        MalformedDatagram: too short, of another version, or of an event that there is not.

    """
    if len(datagram) < _HEAD.size:
        raise MalformedDatagram(f"{len(datagram)} bytes are too few")
    version, event, length, address = _HEAD.unpack_from(datagram)
    if version != VERSION:
        raise MalformedDatagram(f"version {version} is unknown")
    try:
        known = Event(event)
    except ValueError:
        raise MalformedDatagram(f"event {event} is unknown") from None
    text = datagram[_HEAD.size :][:MAX_TEXT].decode("utf-8", "backslashreplace")
    return Datagram(known, _address(address, length, system), excerpt(text, MAX_TEXT))


def _address(storage: bytes, length: int, system: str) -> str:
    """Return the address in *storage*, empty where its *length* and family do not fit each other."""
    known = next((one for name, one in _SYSTEMS.items() if system.startswith(name)), None)
    if known is None:
        return ""
    if known.has_length:
        own_length, family = storage[:2]
        if own_length != length:
            return ""
    else:
        (family,) = struct.unpack_from("=H", storage)
    if (family, length) == (2, 16):
        return socket.inet_ntop(socket.AF_INET, storage[_IPV4])
    if (family, length) == (known.ipv6, 28):
        return socket.inet_ntop(socket.AF_INET6, storage[_IPV6])
    return ""
