# SPDX-License-Identifier: ISC
"""
The answers to a filter request. What smtpd would refuse, or die of, cannot be built.

Source: smtpd-filters(7), FILTER REQUESTS; RFC 5321, 4.2 and 4.5.3.1.5 for replies.
"""

import re
from typing import ClassVar, Final

import attrs

from opensmtpd._errors import LocalProtocolError
from opensmtpd._names import DecisionName

MAX_REPLY_LENGTH: Final = 480
"""RFC 5321 allows 512 with CRLF; the rest is room for servers that add to a reply."""

MAX_PARAMETER_LENGTH: Final = 1900
"""smtpd 6.8 cuts a whole answer at 2047 bytes, 57 of which come before the parameter."""

_REPLY: Final = re.compile(r"[45][0-9]{2} (?=[^\t ]|[\t ]+[^\t ])[\t\x20-\x7e\x80-\xff]+")
_PARAMETER: Final = re.compile(r"[^\0\r\n\u0100-\U0010ffff]+")


def _check_reply(_: object, attribute: "attrs.Attribute[str]", reply: str) -> None:
    if not _REPLY.fullmatch(reply):
        raise LocalProtocolError(
            f"{attribute.name}: {reply[:100]!a}: must be 4dd or 5dd, a blank and printable text on one line"
        )
    if len(reply) > MAX_REPLY_LENGTH:
        raise LocalProtocolError(
            f"{attribute.name}: {reply[:100]!a}: must have at most {MAX_REPLY_LENGTH} characters"
        )


def _check_parameter(_: object, attribute: "attrs.Attribute[str]", text: str) -> None:
    if not _PARAMETER.fullmatch(text):
        raise LocalProtocolError(
            f"{attribute.name}: {text[:100]!a}: must not be empty, nor hold CR, LF, NUL or anything beyond latin-1"
        )
    if len(text) > MAX_PARAMETER_LENGTH:
        raise LocalProtocolError(
            f"{attribute.name}: {text[:100]!a}: must have at most {MAX_PARAMETER_LENGTH} characters"
        )


@attrs.frozen
class Decision:
    """Base of the decisions."""

    name: ClassVar[DecisionName]

    @property
    def parameter(self) -> str | None:
        """The text after the decision on the wire, or None."""
        return None


@attrs.frozen
class Proceed(Decision):
    """Let the command pass, to the next filter if there is one."""

    name = DecisionName.PROCEED


@attrs.frozen
class Junk(Decision):
    """Mark the session or transaction as spam; smtpd dies of it at commit."""

    name = DecisionName.JUNK


@attrs.frozen
class Reject(Decision):
    """Refuse the command with an SMTP reply; the connection stays open unless the code is 421."""

    name = DecisionName.REJECT
    reply: str = attrs.field(validator=_check_reply)

    @property
    def parameter(self) -> str:
        """The reply."""
        return self.reply


@attrs.frozen
class Disconnect(Decision):
    """Refuse the command with an SMTP reply and close the connection."""

    name = DecisionName.DISCONNECT
    reply: str = attrs.field(validator=_check_reply)

    @property
    def parameter(self) -> str:
        """The reply."""
        return self.reply


@attrs.frozen
class Rewrite(Decision):
    """Put another argument in the place of the command's; only where the command has one."""

    name = DecisionName.REWRITE
    argument: str = attrs.field(validator=_check_parameter)

    @property
    def parameter(self) -> str:
        """The new argument."""
        return self.argument


@attrs.frozen
class AddReport(Decision):
    """
    Proceed, with a text for filter-report; only at connect and since 0.7.

    smtpd 6.8 dies of it; 7.8 takes the text for the command's argument at every other phase.
    """

    name = DecisionName.REPORT
    text: str = attrs.field(validator=_check_parameter)

    @property
    def parameter(self) -> str:
        """The text."""
        return self.text


def encode_decision(decision: Decision) -> str:
    """Return *decision* as it ends an answer, with the newline: what `result_line` wants."""
    parameter = decision.parameter
    return f"{decision.name}\n" if parameter is None else f"{decision.name}|{parameter}\n"
