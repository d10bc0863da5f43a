# SPDX-License-Identifier: ISC
"""What is counted by the hour, for reports: the daemon writes it into the ledger, ``filter-ban report`` reads it."""

import enum
from typing import Final

import attrs

HOUR_S: Final = 3600
OTHERS: Final = ""  # the name that stands for all of an hour that have no row of their own


class What(enum.StrEnum):
    """What a tally counts; the name beside it says of which."""

    SEEN = "seen"  # signals, by kind, those that count nothing and logins among them
    FAILURE = "failure"  # strikes, by kind
    SERVICE = "service"  # strikes, by service; of these three the most frequent of the hour and OTHERS
    NETWORK = "network"  # strikes, by IPv4 /24 or IPv6 /48
    USER = "user"  # strikes, by masked name
    REFUSAL = "refusal"  # refused commands
    BAN = "ban"  # bans, by rule
    END = "end"  # bans that ended, by "time" or who lifted them
    DROP = "drop"  # packets that the firewall dropped, by backend
    SIEGE = "siege"  # minutes under siege, of all besieged users together
    ALARM = "alarm"  # see Alarm
    LOST = "lost"  # what the ledger could not take, by table
    RUN = "run"  # minutes that the daemon has counted, and its starts


class Alarm(enum.StrEnum):
    """The names of What.ALARM."""

    HEARD = "heard"  # a client, although its ban is in force in the firewall
    RIGHT_PASSWORD = "right-password"  # noqa: S105 - of a banned client; a word, no password


class Run(enum.StrEnum):
    """The names of What.RUN."""

    MINUTE = "minute"
    START = "start"


@attrs.frozen
class Tally:
    """So many of one name in an hour, which is Unix seconds / 3600."""

    hour: int
    what: str
    name: str
    number: int
