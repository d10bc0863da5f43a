# SPDX-License-Identifier: ISC
"""The values of the simulation: hosts, accounts, parties, and what they try."""

import enum
from collections.abc import Generator

import attrs

from filter_ban.client import ClientKey, make_key, pack_address

DAY_S = 86_400
HOUR_S = 3600
MINUTE_S = 60
START_S = 1_767_571_200  # Monday, 5 January 2026, 00:00 UTC
COMES_BACK_S = 600  # a person or program that was refused tries again after this


class Front(enum.Enum):
    """Where a login is tried, which decides what a sensor can see of it."""

    DOVECOT = "dovecot"  # user, hash of the password in 12 bits, whether the user exists
    PLAIN = "opensmtpd-plain"  # user and password, in the request before the check
    LOGIN = "opensmtpd-login"  # the user's name, after the check


class Answer(enum.Enum):
    """What a client gets."""

    PASSED = enum.auto()
    FAILED = enum.auto()
    REFUSED = enum.auto()  # in the dialogue, before the password check
    DROPPED = enum.auto()  # by the firewall: a time-out


class Host:
    """A client's address: alone, and as we count it."""

    __slots__ = ("address", "client")

    def __init__(self, packed: bytes) -> None:
        self.address: ClientKey = make_key(packed, len(packed) * 8)
        self.client: ClientKey = make_key(packed, 64) if len(packed) == 16 else self.address

    @classmethod
    def of(cls, text: str) -> "Host":
        """Return the host with the address *text*."""
        return cls(pack_address(text))


@attrs.frozen
class Account:
    """A user name that somebody tries."""

    name: str
    tag: int
    exists: bool = True
    local: bool = True


@attrs.define(eq=False)
class Party:
    """An attacker or an innocent, and what became of them."""

    name: str
    hosts: set[ClientKey] = attrs.Factory(set)  # an innocent's
    guesses: int = 0  # wrong passwords that reached the check
    turned_away: int = 0  # attempts that did not reach it
    locked_out_s: int = 0  # time in which a login with the right password was refused


@attrs.define(eq=False)
class Login:
    """An attempt to log in, or where ``account`` is None, a connection to a TLS port without a handshake."""

    time_s: float
    party: Party
    host: Host
    front: Front
    account: Account | None
    secret: int = 0
    right: bool = False
    costs_s: int = 0  # what a refusal locks a person out for: the time to the next try


Life = Generator[Login, Answer, None]
"""What one attacker or person tries: yields each login, and is sent what became of it."""
