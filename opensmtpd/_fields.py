# SPDX-License-Identifier: ISC
"""One codec for each kind of field: wire text to value and back. Problems name the field and the rule, never the text."""

import enum
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from opensmtpd._address import Address
from opensmtpd._names import (
    REPORTED_PHASES,
    AuthResult,
    DecisionName,
    Fcrdns,
    FilterKind,
    Method,
    Phase,
    TxResult,
)

_ID: Final = re.compile(r"[0-9a-f]{16}")
_TIME: Final = re.compile(r"[0-9]{1,12}\.[0-9]{1,9}")
_MESSAGE_ID: Final = re.compile(r"[0-9a-f]{8}")
_SIZE: Final = re.compile(r"[0-9]{1,18}")


@attrs.frozen
class Field:
    """A field of a line: the attribute it fills, and how it is read and written; ``free`` text may hold the bar."""

    name: str
    parse: Callable[[str], Any] = str
    encode: Callable[[Any], str] = str
    free: bool = False


def is_id(text: str) -> bool:
    """Return whether *text* can be a session or a token: 16 lower-case hex digits."""
    return _ID.fullmatch(text) is not None


def parse_time(text: str) -> float:
    """
    Return the time of a line in Unix seconds.

    Raises:
        ValueError: *text* is not made of digits, a dot and digits.

    """
    if not _TIME.fullmatch(text):
        raise ValueError("time: must be digits, a dot and digits")
    return float(text)


def encode_time(time_s: float) -> str:
    """Return the six decimals that smtpd writes."""
    assert math.isfinite(time_s)
    return f"{time_s:.6f}"


def text(name: str) -> Field:
    """Return a field of free text, in which the bar is a character."""
    return Field(name, free=True)


def plain(name: str) -> Field:
    """Return a field of text without the bar."""
    return Field(name)


def address(name: str) -> Field:
    """Return a field that holds an address."""
    return Field(name, Address)


def word(name: str, words: type[enum.StrEnum], other: Mapping[Any, str] | None = None) -> Field:
    """Return a field that holds a member of *words*, written as *other* says where it says something."""
    spelling = {member: (other or {}).get(member, member.value) for member in words}
    members = {spelt: member for member, spelt in spelling.items()}

    def parse(value: str) -> enum.StrEnum:
        if value not in members:
            raise ValueError(f"{name}: must be one of {', '.join(members)}")
        return members[value]

    return Field(name, parse, spelling.__getitem__)


def _matching(name: str, pattern: re.Pattern[str], rule: str, *, optional: bool = False) -> Field:
    def parse(value: str) -> str:
        if not pattern.fullmatch(value) and (value or not optional):
            raise ValueError(f"{name}: must be {rule}")
        return value

    return Field(name, parse)


def _parse_size(value: str) -> int:
    if not _SIZE.fullmatch(value):
        raise ValueError("size_bytes: must be digits")
    return int(value)


RDNS: Final = plain("rdns")
FCRDNS: Final = word("fcrdns", Fcrdns)
METHOD: Final = word("method", Method)
AUTH_RESULT: Final = word("result", AuthResult)
TX_RESULT: Final = word("result", TxResult)
FILTER_KIND: Final = word("kind", FilterKind)
REPORTED_PHASE: Final = word("phase", Phase, REPORTED_PHASES)
DECISION: Final = word("decision", DecisionName)
MESSAGE_ID: Final = _matching("message_id", _MESSAGE_ID, "8 lower-case hex digits")
OPTIONAL_MESSAGE_ID: Final = _matching(
    "message_id", _MESSAGE_ID, "8 lower-case hex digits or nothing", optional=True
)
ENVELOPE_ID: Final = _matching("envelope_id", _ID, "16 lower-case hex digits")
SIZE: Final = Field("size_bytes", _parse_size)
