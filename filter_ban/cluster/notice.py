# SPDX-License-Identifier: ISC
"""
What nodes tell each other, one notice a JSON array that begins with a word.

============  =========================================================================================
word          then
============  =========================================================================================
``strike``    client, time, kind, weight, tag of the user, tag of the secret, service, whether a stranger
``weigh``     client, tag of the user, time, weight: a strike weighs more than was thought
``pardon``    client, tag of the user, time: the user logged in, its strikes there are void
``login``     client, tag of the user, time: news of who logs in from where
``ban``       client, start, end or null, rule, reason, offence, strikes, reference, firewall, node
``lift``      client, time, by whom: bans and strikes up to then are void
``allow``     network, since, until or null, reason, time
``disallow``  network, time
``offence``   client, count, start of the last ban
============  =========================================================================================

Clients are canonical text, times Unix seconds by the clock of the node that says them; tags are 32 bits wide, and
keyed with the cluster's key. No notice holds a user's name or a secret.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias, TypeVar

import attrs

from filter_ban.client import ClientKey, key_text, parse_network
from filter_ban.model import Allowance, Ban, Kind, Login, Pardon, Reweighing, Strike
from filter_ban.tags import heard_form
from filter_ban.text import EXCERPT_CHARS, excerpt

MAX_REASON: Final = 200
MAX_NODE: Final = 63
MAX_REFERENCE: Final = 16
Number = TypeVar("Number", int, float)
_MAX_TAG: Final = 0xFFFF_FFFF
_MAX_TIME_S: Final = 2.0**32
_MAX_WEIGHT: Final = 655.35
_MAX_OFFENCE: Final = 1_000_000
_KINDS: Final = {kind.value: kind for kind in Kind}


@attrs.frozen
class Lifted:
    """Whoever ``by`` is has ended the ban of a client."""

    client: ClientKey
    time_s: float
    by: str


@attrs.frozen
class Allowed:
    """An operator lets a client or network in."""

    allowance: Allowance
    time_s: float


@attrs.frozen
class Disallowed:
    """An operator lets a client or network in no more."""

    client: ClientKey
    time_s: float


@attrs.frozen
class Offended:
    """How often a client has been banned, and since when for the last time."""

    client: ClientKey
    count: int
    last_s: int


Notice: TypeAlias = Strike | Reweighing | Pardon | Login | Ban | Lifted | Allowed | Disallowed | Offended


def subject(notice: Notice) -> ClientKey:
    """Return the client that *notice* is about."""
    return notice.allowance.client if isinstance(notice, Allowed) else notice.client


def time_of(notice: Notice) -> float:
    """Return when it happened, in Unix seconds."""
    match notice:
        case Ban():
            return notice.start_s
        case Offended():
            return notice.last_s
        case _:
            return notice.time_s


class Encoder:
    """
    Makes rows of notices.

    Args:
        secret_bits: How much of a secret's tag is told.

    """

    def __init__(self, secret_bits: int) -> None:
        self._secret_bits = secret_bits

    def encode(self, notice: Notice) -> list[Any]:  # noqa: PLR0911 - one for each word
        """Return *notice* as it is sent."""
        match notice:
            case Strike():
                return [
                    "strike", key_text(notice.client), notice.time_s, notice.kind.value, notice.weight, notice.user_tag,
                    heard_form(notice.secret, self._secret_bits), notice.service, int(notice.stranger),
                ]  # fmt: skip
            case Reweighing():
                return ["weigh", key_text(notice.client), notice.user_tag, notice.time_s, notice.weight]
            case Pardon():
                return ["pardon", key_text(notice.client), notice.user_tag, notice.time_s]
            case Login():
                return ["login", key_text(notice.client), notice.user_tag, notice.time_s]
            case Ban():
                return [
                    "ban", key_text(notice.client), notice.start_s, notice.end_s, notice.rule, notice.reason,
                    notice.offence, notice.strikes, notice.reference, int(notice.firewall), notice.node,
                ]  # fmt: skip
            case Lifted():
                return ["lift", key_text(notice.client), notice.time_s, notice.by]
            case Allowed(allowance, time_s):
                since_s, until_s, reason = allowance.since_s, allowance.until_s, allowance.reason
                return ["allow", key_text(allowance.client), since_s, until_s, reason, time_s]
            case Disallowed():
                return ["disallow", key_text(notice.client), notice.time_s]
            case Offended():
                return ["offence", key_text(notice.client), notice.count, notice.last_s]


class Decoder:
    """
    Makes notices of what a peer has sent.

    Args:
        node: The peer.
        shift_s: What its clock is behind ours; added to every time.

    """

    def __init__(self, node: str, shift_s: int = 0) -> None:
        self._node = node
        self._shift_s = shift_s
        self._decoders: dict[str, Callable[..., Notice]] = {
            "strike": self._strike,
            "weigh": self._weigh,
            "pardon": self._pardon,
            "login": self._login,
            "ban": self._ban,
            "lift": self._lift,
            "allow": self._allow,
            "disallow": self._disallow,
            "offence": self._offence,
        }

    def decode(self, notices: Iterable[Any]) -> tuple[list[Notice], int]:
        """
        Return what is understood, and how many were not.

        A newer filter-ban may say what this one does not know; that is no reason to leave out the rest.
        """
        understood: list[Notice] = []
        strange = 0
        for notice in notices:
            try:
                word, *rest = notice
                understood.append(self._decoders[word](*rest))
            except (ValueError, TypeError, KeyError, AttributeError):
                strange += 1
        return understood, strange

    def _strike(  # noqa: PLR0917 - as it is sent
        self,
        client: str,
        time_s: float,
        kind: str,
        weight: float,
        user_tag: int,
        secret: int,
        service: str,
        stranger: int,
        *_later: object,
    ) -> Strike:
        return Strike(
            parse_network(client), self._time(time_s), _KINDS[kind], _between(weight, 0, _MAX_WEIGHT), "",
            _tag(user_tag), _text(service), _tag(secret), bool(stranger), self._node,
        )  # fmt: skip

    def _weigh(self, client: str, user_tag: int, time_s: float, weight: float, *_later: object) -> Reweighing:
        weight = _between(weight, 0, _MAX_WEIGHT)
        return Reweighing(parse_network(client), _tag(user_tag), self._time(time_s), weight)

    def _pardon(self, client: str, user_tag: int, time_s: float, *_later: object) -> Pardon:
        return Pardon(parse_network(client), _tag(user_tag), self._time(time_s))

    def _login(self, client: str, user_tag: int, time_s: float, *_later: object) -> Login:
        return Login(parse_network(client), _tag(user_tag), self._time(time_s))

    def _ban(  # noqa: PLR0917 - as it is sent
        self,
        client: str,
        start_s: int,
        end_s: int | None,
        rule: str,
        reason: str,
        offence: int,
        strikes: float,
        reference: str,
        firewall: int,
        node: str,
        *_later: object,
    ) -> Ban:
        return Ban(
            client=parse_network(client),
            start_s=self._second(start_s),
            end_s=None if end_s is None else self._second(end_s),
            rule=_text(rule),
            reason=_text(reason, MAX_REASON),
            offence=_count(offence, 1, _MAX_OFFENCE),
            strikes=_between(strikes, 0, 1e9),
            reference=_text(reference, MAX_REFERENCE),
            firewall=bool(firewall),
            node=_text(node, MAX_NODE) or self._node,
        )

    def _lift(self, client: str, time_s: float, by: str, *_later: object) -> Lifted:
        return Lifted(parse_network(client), self._time(time_s), _text(by))

    def _allow(
        self, network: str, since_s: int, until_s: int | None, reason: str, time_s: float, *_later: object
    ) -> Allowed:
        until_s = None if until_s is None else self._second(until_s)
        reason = _text(reason, MAX_REASON)
        return Allowed(
            Allowance(parse_network(network), self._second(since_s), until_s, reason), self._time(time_s)
        )

    def _disallow(self, network: str, time_s: float, *_later: object) -> Disallowed:
        return Disallowed(parse_network(network), self._time(time_s))

    def _offence(self, client: str, count: int, last_s: int, *_later: object) -> Offended:
        return Offended(parse_network(client), _count(count, 1, _MAX_OFFENCE), self._second(last_s))

    def _time(self, time_s: float) -> float:
        return _between(time_s, 0, _MAX_TIME_S) + self._shift_s

    def _second(self, time_s: int) -> int:
        return int(_between(time_s, 0, _MAX_TIME_S)) + self._shift_s


def _tag(value: int) -> int:
    return _count(value, 0, _MAX_TAG)


def _count(value: int, low: int, high: int) -> int:
    if not isinstance(value, int):
        raise ValueError("no whole number")  # noqa: TRY004 - one kind of error for whatever is wrong
    return _between(value, low, high)


def _between(value: Number, low: float, high: float) -> Number:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError("out of range")
    return value


def _text(value: str, limit: int = EXCERPT_CHARS) -> str:
    """Return *value* fit to be shown; what is, stays as it is, however often it is passed on."""
    return value if value.isprintable() and len(value) <= limit else excerpt(value, limit)
