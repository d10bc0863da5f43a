# SPDX-License-Identifier: ISC
"""What a store says of a stream: ids, entries, and whether those that we have not read are still there."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

_ID: Final = re.compile(r"([0-9]{1,20})-([0-9]{1,20})")
START: Final = "0-0"


def order(entry: str) -> tuple[int, int]:
    """
    Return by what ids are ordered.

    Raises:
        ValueError: *entry* is no id.

    """
    match = _ID.fullmatch(entry)
    if match is None:
        raise ValueError("not an id")
    return int(match[1]), int(match[2])


def is_id(entry: str) -> bool:
    """Return whether *entry* is the id of an entry."""
    return _ID.fullmatch(entry) is not None


@attrs.frozen
class Extent:
    """The ids of the first entry of a stream and of the last that ever was; ``first`` is empty where none is left."""

    first: str = ""
    last: str = START

    def lacks(self, position: str) -> bool:
        """Return whether entries after *position* are gone, or all that was before it."""
        if order(self.last) < order(position):
            return True
        return self.last != position and (not self.first or order(self.first) > order(position))


def read_extent(reply: list[Any]) -> Extent:
    """Return what XINFO STREAM answers."""
    facts: Mapping[bytes, Any] = dict(zip(reply[::2], reply[1::2], strict=True))
    first = facts[b"first-entry"]
    extent = Extent(first[0].decode() if first else "", facts[b"last-generated-id"].decode())
    order(extent.last)
    return extent


def read_entries(reply: list[Any] | None) -> Iterator[tuple[str, str, Mapping[bytes, bytes]]]:
    """
    Yield stream, id and fields of each entry that XREAD answers.

    Raises:
        ValueError: that is no such answer.

    """
    for stream, entries in reply or ():
        for entry, values in entries:
            name = entry.decode()
            order(name)
            yield stream.decode(), name, dict(zip(values[::2], values[1::2], strict=True))
