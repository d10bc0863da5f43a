# SPDX-License-Identifier: ISC
"""Postfix's restrictions as the doctor looks at them; the lists are taken apart by :mod:`filter_ban.setup.restrictions`."""

from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from filter_ban.setup import restrictions
from filter_ban.setup.restrictions import Element
from filter_ban.setup.tokens import BLANKS, parse_tokens

POLICY: Final = "check_policy_service"
_WARN: Final = "warn_if_reject"
_MAX_CLASS_DEPTH: Final = 5


@attrs.frozen
class Restriction:
    """One restriction, its name in lower case; ``warned``: it only warns (``warn_if_reject``)."""

    name: str
    argument: str = ""
    warned: bool = False

    def __str__(self) -> str:
        return " ".join(self.element)

    @property
    def element(self) -> Element:
        """The words of it."""
        words = (_WARN if self.warned else "", self.name, self.argument)
        return tuple(word for word in words if word)


@attrs.frozen
class PolicyService:
    """The argument of a ``check_policy_service``: whom it asks, and the attributes given with it."""

    endpoint: str
    attributes: Mapping[str, str]


def parse_restrictions(text: str, classes: Mapping[str, str]) -> list[Restriction]:
    """
    Return the restrictions of a list.

    Args:
        text: The list, with nothing left to expand.
        classes: The lists that ``smtpd_restriction_classes`` gives a name.

    """
    return [*_restrictions(text, classes, _MAX_CLASS_DEPTH)]


def _restrictions(text: str, classes: Mapping[str, str], depth: int) -> Iterator[Restriction]:
    for element in restrictions.parse_restrictions(text):
        warned = element[0].lower() == _WARN
        name, argument = (*element[warned:], "", "")[:2]
        if name in classes and depth:
            yield from _restrictions(classes[name], classes, depth - 1)
        else:
            yield Restriction(name.lower(), argument, warned)


def parse_policy_service(argument: str) -> PolicyService:
    """Return what the argument of a ``check_policy_service`` says, with or without braces."""
    endpoint, *attributes = _elements(argument) or [""]
    pairs = (" ".join(_bare(one).split()).partition("=") for one in attributes)
    return PolicyService(endpoint, {name.strip(): value.strip() for name, _, value in pairs})


def _elements(argument: str) -> list[str]:
    return [token.text for token in parse_tokens(_bare(argument), f",{BLANKS}")]


def _bare(text: str) -> str:
    """Return *text* without the braces around it."""
    return text[1:-1].strip() if text.startswith("{") and text.endswith("}") else text
