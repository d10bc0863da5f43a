# SPDX-License-Identifier: ISC
"""What may be believed of what lies in a store: whoever can write there can put anything into it."""

import hmac
import math
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from filter_ban.cluster.keys import TAG_BYTES, ClusterKeys
from filter_ban.cluster.message import MAX_BYTES, MAX_NOTICES, Header, read_header
from filter_ban.cluster.notice import MAX_NODE
from filter_ban.courier.sequences import Sequences

MESSAGE: Final = b"m"
TAG: Final = b"t"

A_DAY_MS: Final = 86_400_000  # whoever claims to start later would silence a node until then


class Finding(Enum):
    """What an entry of a stream is."""

    NEWS = auto()
    OWN = auto()  # what this node itself has published since its start
    FORGED = auto()  # no node has put it there
    REPLAYED = auto()  # what has been there before
    MALFORMED = auto()  # a node has put it there, but it is no message
    SAME_NAME = auto()  # of another node that is called as this one


class Inspector:
    """
    Tells the entries of one stream apart.

    Args:
        stream: Name of the stream.
        keys: Of the cluster.
        node: Name of this node.
        started: When it was started.
        sequences: What has been heard in this stream.

    """

    def __init__(self, stream: str, keys: ClusterKeys, node: str, started: int, sequences: Sequences) -> None:
        self._stream = stream
        self._keys = keys
        self._node = node
        self._started = started
        self.sequences = sequences

    def inspect(
        self, fields: Mapping[bytes, bytes], added_ms: float = math.inf
    ) -> tuple[Finding, Header | None]:
        """Return what an entry is that was added then, and who speaks there, if it is to be handed over."""
        message = fields.get(MESSAGE, b"")
        if not is_sealed(self._keys, self._stream, message, fields.get(TAG, b"")):
            return Finding.FORGED, None
        header = header_of(message)
        if header is None or header.first < 1 or header.count < 1 or header.started > added_ms + A_DAY_MS:
            return Finding.MALFORMED, None
        if header.node == self._node and header.started >= self._started:
            return (Finding.OWN if header.started == self._started else Finding.SAME_NAME), None
        if not self.sequences.accept(header):
            return Finding.REPLAYED, None
        return Finding.NEWS, header


def is_sealed(keys: ClusterKeys, place: str, message: bytes, tag: bytes) -> bool:
    """Return whether a node has put *message* in *place*."""
    return len(tag) == TAG_BYTES and hmac.compare_digest(tag, keys.seal(place, message))


def seal(keys: ClusterKeys, place: str, message: bytes) -> bytes:
    """Return *message* behind its tag, as it stands in a hash."""
    return keys.seal(place, message) + message


def unseal(keys: ClusterKeys, place: str, sealed: bytes) -> bytes | None:
    """Return the message that :func:`seal` has put behind its tag; None if none did."""
    tag, message = sealed[:TAG_BYTES], sealed[TAG_BYTES:]
    return message if is_sealed(keys, place, message, tag) else None


def header_of(message: bytes) -> Header | None:
    """Return who speaks in *message*; None if that is no message, or beyond the bounds of one."""
    if len(message) > MAX_BYTES:
        return None
    try:
        header = read_header(message)
    except (ValueError, OverflowError, RecursionError):
        return None
    if not 0 < len(header.node) <= MAX_NODE or not 0 <= header.count <= MAX_NOTICES:
        return None
    return header if math.isfinite(header.offset_s) else None
