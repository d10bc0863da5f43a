# SPDX-License-Identifier: ISC
"""
Messages: notices of one node, as they stand in a stream or a snapshot.

A line of JSON says who speaks, ``{"node": name, "started": number, "first": number, "count": number, "offset": seconds,
"dropped": number}``, and a JSON array of notices follows. ``started`` grows with each start of the node, and notices are
numbered from there: ``first`` is the number of the first one. ``offset`` is what the node tells of how far the store's clock
is ahead of its own, and ``dropped`` how many strikes the node could not keep for the store since it started.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

import attrs

MAX_NOTICES: Final = 500  # decoded in about a millisecond
MAX_BYTES: Final = 1 << 20
_NODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")  # as cluster.node has it


@attrs.frozen(kw_only=True)
class Header:
    """Who speaks; see the module."""

    node: str
    started: int
    first: int
    count: int
    offset_s: float = 0.0
    dropped: int = 0

    @property
    def last(self) -> int:
        """The number of the last notice."""
        return self.first + self.count - 1


def pack(header: Header, notices: Sequence[list[Any]]) -> bytes:
    """Return a message of encoded notices."""
    return _head(header) + json.dumps(notices, separators=(",", ":")).encode()


def with_offset(message: bytes, offset_s: float) -> bytes:
    """Return *message* with another offset: it is whoever puts it into the store that knows the store's clock."""
    header = attrs.evolve(read_header(message), offset_s=float(offset_s))
    return _head(header) + message[message.find(b"\n") + 1 :]


def _head(header: Header) -> bytes:
    head = {
        "node": header.node,
        "started": header.started,
        "first": header.first,
        "count": header.count,
        "offset": header.offset_s,
        "dropped": header.dropped,
    }
    return json.dumps(head, separators=(",", ":")).encode() + b"\n"


def read_header(message: bytes) -> Header:
    """
    Return who speaks.

    Raises:
        ValueError: it is no message.

    """
    head = json.loads(message[: message.find(b"\n")])
    try:
        header = Header(
            node=head["node"],
            started=head["started"],
            first=head["first"],
            count=head["count"],
            offset_s=float(head["offset"]),
            dropped=head["dropped"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a message: {error}") from None
    numbers = (header.started, header.first, header.count, header.dropped)
    if not isinstance(header.node, str) or not _NODE.fullmatch(header.node):
        raise ValueError("not the name of a node")
    if any(type(number) is not int for number in numbers):
        raise ValueError("not a message")
    return header


def read_notices(message: bytes) -> list[Any]:
    """
    Return the encoded notices.

    Raises:
        ValueError: it is no message.

    """
    notices = json.loads(message[message.find(b"\n") + 1 :])
    if not isinstance(notices, list):
        raise ValueError("not a message")  # noqa: TRY004 - one kind of error for whatever is wrong
    return notices
