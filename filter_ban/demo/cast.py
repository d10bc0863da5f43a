# SPDX-License-Identifier: ISC
"""Who plays, and from which loopback address each connects."""

import errno
import socket
from collections.abc import Callable
from typing import Final

import attrs

GUESSER: Final = "guesser"
HONEST: Final = "alice"
PHONE: Final = "bob's phone"

IPV4_HOST: Final = "127.0.0.1"
IPV6_HOST: Final = "::1"
_BY_ADDRESS: Final = ("127.0.0.66", "127.0.0.10", "127.0.0.20")
_SHARED: Final = ("127.0.0.1", "::1", "::1")
_BY_HAND: Final = "127.0.0.77"


@attrs.frozen
class Cast:
    """The address of each actor and of tries by hand; ``remark`` says where that is not as one would wish."""

    guesser: str
    honest: str
    phone: str
    by_hand: str = _BY_HAND
    remark: str = ""

    @property
    def names(self) -> dict[str, str]:
        """The actors' names by address, in the order of the table."""
        names = {self.honest: HONEST}
        names[self.phone] = f"{names[self.phone]}, {PHONE}" if self.phone in names else PHONE
        return {**names, self.guesser: GUESSER}

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses that the server must listen on."""
        return tuple(sorted({self.host_for(source) for source in (self.guesser, self.honest, self.phone)}))

    @staticmethod
    def host_for(source: str) -> str:
        """Return the server's address for a client at *source*."""
        return IPV6_HOST if ":" in source else IPV4_HOST


class NoStage(Exception):  # noqa: N818 - a lack, told to the user
    """Too few loopback addresses; the text says what to do."""


def can_bind(address: str) -> bool:
    """Return whether a client can connect from *address*."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.bind((address, 0))
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return False
        raise
    return True


def choose_cast(can_bind: Callable[[str], bool] = can_bind) -> Cast:
    """
    Return a cast for the addresses that this machine lets one connect from.

    Linux has all of 127.0.0.0/8. OpenBSD, NetBSD and macOS have 127.0.0.1 and ::1 alone, until others are added.

    Raises:
        NoStage: there is but one address.

    """
    if all(map(can_bind, _BY_ADDRESS)):
        return Cast(*_BY_ADDRESS)
    if all(map(can_bind, set(_SHARED))):
        remark = (
            "This system has few loopback addresses, so alice and the phone share ::1. For one each, as root:\n"
            + "\n".join(f"  ifconfig lo0 alias {address}/32" for address in _BY_ADDRESS)
        )
        return Cast(*_SHARED, by_hand="::1", remark=remark)
    raise NoStage(
        "The demo needs two loopback addresses to tell its actors apart, and this system lets us use only one.\n"
        "Turn on IPv6 on loopback (::1), or add addresses, as root:\n"
        + "\n".join(f"  ifconfig lo0 alias {address}/32" for address in _BY_ADDRESS)
    )
