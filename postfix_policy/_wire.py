# SPDX-License-Identifier: ISC
"""
Lists of attributes on the wire: lines ``name=value``, ended by an empty line. Requests and replies are such lists.

Source: SMTPD_POLICY_README, Protocol description; attr_scan_plain(3).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NoReturn

import attrs

from postfix_policy._attribute_list import AttributeList, decode
from postfix_policy._errors import LocalProtocolError, RemoteProtocolError
from postfix_policy._text import excerpt, excerpt_of_line

_at_least_1: Final = attrs.validators.ge(1)
_NO_MARKS: Final = bytes(set(range(256)) - set(b"=\n\0"))
_MARKS_OF_LIST: Final = re.compile(rb"(?:=+\n)+\n")  # what _NO_MARKS leaves of a sound list


@attrs.frozen(kw_only=True)
class Limits:
    """
    What the other side may send before it is cut off.

    Args:
        line_bytes: In one line. attr_scan_plain(3) documents 4 x line_length_limit (2048) and does not enforce it.
        attributes: In one list. Postfix 3.12 sends 32.
        list_bytes: In one list, newlines included. A request of Postfix 3.12 has some 600.
        pending: Requests that were received and not answered. Postfix sends one at a time.

    """

    line_bytes: int = attrs.field(default=8192, validator=_at_least_1)
    attributes: int = attrs.field(default=128, validator=_at_least_1)
    list_bytes: int = attrs.field(default=65536, validator=_at_least_1)
    pending: int = attrs.field(default=100, validator=_at_least_1)


class AttributeParser:
    """Makes lists of attributes of a stream of bytes, however it is cut. Memory is bounded by *limits*."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._plain_bytes = min(limits.line_bytes, limits.list_bytes)
        self._rest = b""
        self._attributes: dict[str, str] = {}
        self._lines = 0
        self._size = 0
        self._fault = ""
        self._last_marks = b""  # of the last sound list

    @property
    def incomplete(self) -> bool:
        """Whether a list was begun and not ended."""
        return bool(self._rest or self._lines)

    def receive_data(self, data: bytes) -> Iterable[Mapping[str, str]]:
        r"""
        Return the attributes of each list that *data* ends, to be used up, or what comes later makes no sense.

        Of attributes with the same name the first counts, as in Postfix. Values are decoded as UTF-8; bytes that are
        not UTF-8 show as ``\xff``.

        Raises:
            RemoteProtocolError: the stream breaks the protocol or a limit here, now or as the lists are used. So does
                any further call.

        """
        if self._fault:
            raise RemoteProtocolError(self._fault)
        attributes = None if self._rest or self._lines else self._take_plain(data)
        return self._receive_lines(data) if attributes is None else (attributes,)

    def receive_eof(self) -> None:
        """
        End the stream.

        Raises:
            RemoteProtocolError: it ends inside a list.

        """
        if self.incomplete and not self._fault:
            self.fail("end of input inside a list of attributes")

    def fail(self, problem: str) -> NoReturn:
        """Raise RemoteProtocolError, now and whenever more of the stream is received."""
        self._fault = problem
        raise RemoteProtocolError(problem)

    def _take_plain(self, data: bytes) -> AttributeList | None:
        """Return the attributes of data that are one sound list and nothing else, as nearly always; else None."""
        if len(data) > self._plain_bytes or not data.endswith(b"\n\n"):
            return None
        if data.startswith(b"=") or b"\n=" in data:
            return None
        marks = data.translate(None, _NO_MARKS)
        if marks != self._last_marks:  # Postfix sends the same attributes again and again
            if not _MARKS_OF_LIST.fullmatch(marks) or marks.count(b"\n") - 1 > self._limits.attributes:
                return None
            self._last_marks = marks
        return AttributeList(data)

    def _receive_lines(self, data: bytes) -> Iterator[dict[str, str]]:
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if line:
                self._add(line)
            elif not self._lines:
                self.fail("empty line: must come after attributes")
            else:
                attributes = self._attributes
                self._attributes, self._lines, self._size = {}, 0, 0
                yield attributes
        self._check_length(self._rest)

    def _add(self, line: bytes) -> None:
        self._check_length(line)
        name, equals, value = line.partition(b"=")
        if not name or not equals or b"\0" in line:
            self.fail(f"{excerpt_of_line(line)}: must be name=value without NUL")
        if self._lines == self._limits.attributes:
            self.fail(f"more than {self._limits.attributes} attributes")
        self._lines += 1
        self._size += len(line) + 1
        self._check_length(b"")
        self._attributes.setdefault(decode(name), decode(value))

    def _check_length(self, line: bytes) -> None:
        """Fail if *line*, or what there is of it, is too long in itself or for its list, whichever it reaches first."""
        room = self._limits.list_bytes - self._size
        if len(line) > min(self._limits.line_bytes, room):
            if room < self._limits.line_bytes:
                self.fail(f"list longer than {self._limits.list_bytes} bytes")
            self.fail(f"line longer than {self._limits.line_bytes} bytes")


def encode_attributes(attributes: Mapping[str, str]) -> bytes:
    """
    Return the lines of a list, in the order of *attributes*.

    Raises:
        LocalProtocolError: there are none, or one cannot be told from another: a name that is empty or holds ``=``, NUL
            or LF in a name or value, text that is not UTF-8.

    """
    if not attributes:
        raise LocalProtocolError("attributes: must not be empty")
    for name, value in attributes.items():
        if not name or "=" in name or not _is_text(name) or not _is_text(value):
            raise LocalProtocolError(
                f"{excerpt(name)}={excerpt(value)}: must have a name without '=', and no NUL, LF or lone surrogate"
            )
    return ("".join([f"{name}={value}\n" for name, value in attributes.items()]) + "\n").encode()


def _is_text(text: str) -> bool:
    return not any(char in "\0\n" or "\ud800" <= char <= "\udfff" for char in text)
