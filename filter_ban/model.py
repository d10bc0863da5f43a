# SPDX-License-Identifier: ISC
"""The nouns of the job: signals, strikes, bans, verdicts. No behaviour; times are Unix seconds, UTC."""

import enum
import re
from typing import TYPE_CHECKING, Final

import attrs

from filter_ban.client import ClientKey

if TYPE_CHECKING:
    from attrs import frozen as record
else:
    record = (
        attrs.define
    )  # frozen to the type checker: at run time that costs four times as much, for each failed login


_CODES: Final = re.compile(r"[A-Z]+ |[0-9]{3} (?:[245]\.[0-9]{1,3}\.[0-9]{1,3} )?")


class Kind(enum.StrEnum):
    """What a sensor saw."""

    AUTH_FAIL = "auth-fail"
    UNKNOWN_USER = "unknown-user"  # a failed login for a name that does not exist, where the server tells
    AUTH_PASS = "auth-pass"  # noqa: S105 - a word of the vocabulary, no password
    AUTH_ABORT = "auth-abort"
    NO_TLS = "no-tls"
    NO_AUTH = "no-auth"
    RELAY_ATTEMPT = "relay-attempt"
    BAD_HELO = "bad-helo"
    FOREIGN_DOMAIN = "foreign-domain"  # a failed login for a domain that is not ours
    TRAP_USER = "trap-user"  # a failed login for a name that nobody has
    DECOY = "decoy"
    REPORTED = "reported"

    __hash__ = str.__hash__  # enum's own is a Python function, called for each failed login


class Mode(enum.StrEnum):
    """How far filter-ban goes: only log, refuse in the dialogue, or push to the firewall too."""

    WATCH = "watch"
    REFUSE = "refuse"
    ENFORCE = "enforce"


class Answer(enum.Enum):
    """What a front end says to a client; the severity rises from top to bottom."""

    ALLOW = "allow"
    DEFER = "defer"
    REFUSE = "refuse"
    DROP = "drop"


@attrs.frozen
class Verdict:
    """filter-ban's answer about a client; *text* is a complete SMTP reply, empty for ALLOW."""

    answer: Answer
    text: str = ""

    @property
    def explanation(self) -> str:
        """The text without reply code and enhanced status code (RFC 3463), for where a server puts its own."""
        return _CODES.sub("", self.text, count=1)


ALLOWED = Verdict(Answer.ALLOW)


@record
class Strike:
    """
    A signal that counted.

    ``user`` is the name as the sensor saw it, bounded; the ledger masks it. ``user_tag`` is its keyed hash (0: none),
    ``secret`` that of the secret tried, which is never stored. ``stranger``: the user has not logged in from there.
    ``node`` is the peer that counted it; empty: this one.
    """

    client: ClientKey
    time_s: float
    kind: Kind
    weight: float
    user: str = ""
    user_tag: int = 0
    service: str = ""
    secret: int = 0
    stranger: bool = False
    node: str = ""


@record
class Pardon:
    """The strikes of one user at a client until ``time_s`` are void: that user logged in."""

    client: ClientKey
    user_tag: int
    time_s: float


@record
class Reweighing:
    """The strike of ``time_s`` of one user at a client weighs more than was thought."""

    client: ClientKey
    user_tag: int
    time_s: float
    weight: float


@record
class Login:
    """A login that succeeded; ``user_tag`` is the keyed hash of the name (0: none)."""

    client: ClientKey
    user_tag: int
    time_s: float


HERE: Final = "-"  # in place of a node's name


@attrs.frozen
class Allowance:
    """
    The operator lets a client or network in until ``until_s`` (None: until taken out), whatever it does.

    ``here``: other nodes are not told.
    """

    client: ClientKey
    since_s: int
    until_s: int | None
    reason: str
    here: bool = False


@record(kw_only=True)
class Ban:
    """A client that is refused from ``start_s`` until ``end_s`` (None: until lifted)."""

    client: ClientKey
    start_s: int
    end_s: int | None
    rule: str  # the limit that was reached ("5 in 10m"), or "by hand"
    reason: str  # in words, for people
    offence: int = 1
    strikes: float = 0.0
    reference: str = ""
    firewall: bool = True  # False: refused in the dialogue only
    node: str = (
        ""  # the peer that decided it, or whose signal did; empty: this one; HERE: and for itself alone
    )


class Enforcement(enum.StrEnum):
    """What is known about a ban's entry in the firewall table."""

    IN_BAND = "in-band"  # not meant for the firewall
    PENDING = "pending"
    IN_FORCE = "in-force"
    FAILED = "failed"
    DRIFTED = "drifted"  # was in force, is missing from the table and could not be put back
