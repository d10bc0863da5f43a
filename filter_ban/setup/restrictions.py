# SPDX-License-Identifier: ISC
"""
Postfix's lists of restrictions, rewritten for a submission service that refuses at CONNECT.

At CONNECT nobody has logged in yet: a list that lets in who has, and rejects the rest, rejects everybody. So what
depends on a login moves to the relay restrictions, which are asked at RCPT.

Source: smtpd/smtpd_check.c, generic_checks(); postconf(5).
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import attrs

from filter_ban.setup.recipes import policy_service
from filter_ban.setup.tokens import BLANKS, parse_tokens

Element = tuple[str, ...]  # a restriction and its argument

_WITH_ARGUMENT: Final = re.compile(r"check_.+|reject_(rbl|rhsbl)_.+|permit_(dnswl|rhswl)_.+|sleep")
_PREFIX: Final = "warn_if_reject"
_OWN_HOSTS: Final = (("permit_mynetworks",), ("permit_inet_interfaces",))
_AFTER_LOGIN: Final = ("permit_sasl_authenticated", "permit_tls_clientcerts", "permit_tls_all_clientcerts")
_LOGIN: Final = ("permit_sasl_authenticated",)
_BY_DESTINATION: Final = (
    ("reject_unauth_destination",),
    ("defer_unauth_destination",),
    ("permit_auth_destination",),
)
_ENDS: Final = (("permit",), ("reject",), ("defer",))
_PERMIT: Final = ("permit",)
_REJECT: Final = ("reject",)


@attrs.frozen
class Rewritten:
    """A list as it should be, and the elements that had to go because they would act on nobody or on everybody."""

    elements: tuple[Element, ...]
    dropped: tuple[Element, ...] = ()


def parse_restrictions(value: str) -> tuple[Element, ...]:
    """Return the elements of a list; commas and blanks part them, braces hold together."""
    words = (" ".join(token.text.split()) for token in parse_tokens(value, f",{BLANKS}"))
    return tuple(_elements(words))


def restrictions_text(elements: Sequence[Element]) -> str:
    """Return the value that :func:`parse_restrictions` reads."""
    return ", ".join(" ".join(element) for element in elements)


def is_ours(element: Element, endpoint: str) -> bool:
    """Return whether an element asks us: at *endpoint*, or in the form of :func:`policy_service` at another."""
    (ours,) = parse_restrictions(policy_service(endpoint))
    if element[0] != ours[0] or len(element) != len(ours):
        return False
    asked, attributes = _policy_server(element[1])
    our_endpoint, our_attributes = _policy_server(ours[1])
    return asked == our_endpoint or attributes == our_attributes


def client_restrictions(existing: Sequence[Element], endpoint: str) -> Rewritten:
    """
    Return client restrictions that ask us at CONNECT, after our own hosts were let in and before all else.

    What stands behind a permit for those who have logged in is dropped: it acted on the others alone, and these are
    refused by the relay restrictions.
    """
    ours = parse_restrictions(policy_service(endpoint))
    others = [element for element in existing if not is_ours(element, endpoint)]
    login = next((at for at, element in enumerate(others) if element[0] in _AFTER_LOGIN), None)
    own_hosts = tuple(dict.fromkeys(element for element in others if element in _OWN_HOSTS))
    kept = [element for element in others[:login] if element not in _OWN_HOSTS]
    if not kept or kept[-1] not in _ENDS:
        kept.append(_PERMIT)
    expected = (*own_hosts, *_ENDS)
    behind = [] if login is None else others[login:]
    dropped = tuple(
        element for element in behind if element not in expected and element[0] not in _AFTER_LOGIN
    )
    return Rewritten((*own_hosts, *ours, *kept), dropped)


def relay_restrictions(existing: Sequence[Element], client: Sequence[Element]) -> tuple[Element, ...]:
    """
    Return relay restrictions that refuse whoever has not logged in, but for own hosts that needed not until now.

    Args:
        existing: Those that the service has, or inherits.
        client: Its client restrictions until now.

    """
    if existing and existing[-1] == _REJECT and _LOGIN in existing:
        return tuple(existing)
    login_needed = any(element[0] in _AFTER_LOGIN for element in client)
    gone = (*_ENDS, *_BY_DESTINATION, *(host for host in _OWN_HOSTS if login_needed and host not in client))
    kept = tuple(element for element in existing if element not in gone)
    return (*kept, *(() if _LOGIN in kept else (_LOGIN,)), _REJECT)


def refused_before_login(helo: Sequence[Element]) -> tuple[Element, ...]:
    """Return the elements of HELO restrictions that spared those who log in, and no longer do when asked at EHLO."""
    login = next((at for at, element in enumerate(helo) if element[0] in _AFTER_LOGIN), len(helo))
    return tuple(element for element in helo[login:] if element[0].startswith(("reject", "defer", "check_")))


def _elements(words: Iterator[str]) -> Iterator[Element]:
    """Yield the words of each restriction together."""
    for word in words:
        element = [word]
        if word == _PREFIX:
            element += islice(words, 1)
        if _WITH_ARGUMENT.fullmatch(element[-1]):
            element += islice(words, 1)
        yield tuple(element)


def _policy_server(argument: str) -> tuple[str, list[str]]:
    """Return endpoint and attributes of ``inet:127.0.0.1:10040`` or ``{ inet:127.0.0.1:10040, timeout=5s }``."""
    endpoint, *attributes = argument.removeprefix("{").removesuffix("}").replace(",", " ").split() or [""]
    return endpoint, attributes
