# SPDX-License-Identifier: ISC
"""
Between engine and courier: frames over a socketpair, each a line of JSON, ``[verb, {…}, length]``, and so many bytes.

==============  ===========================================================================================
to the courier  with
==============  ===========================================================================================
``start``       see :class:`filter_ban.courier.settings.Settings`; first
``publish``     shard, first, last; the message. One of a shard at a time, until it is ``published``
``folded``      shard, id: a message that was ``heard``, or a ``chunk``, is done with
``chunk``       shard, index, last; the message: a piece of a snapshot, answered with ``stored``
``tell``        what peers are to know of this node: texts and numbers; every few seconds
``retain``      seconds: how long strikes matter
==============  ===========================================================================================

=============  ============================================================================================
to the engine  with
=============  ============================================================================================
``store``      index, ok, problem, offset_s, told_offset_s, epoch: how a store is; when that changes, and every few seconds
``published``  shard, first
``join``       shard: what follows until ``current`` begins with the snapshot
``chunk``      shard, id, shift_s; the message: a piece of the snapshot
``heard``      shard, id, shift_s; the message
``passed``     shard, id: so far the stream is read, and all that was ``heard`` there is folded
``current``    shard: all that was there when we came has been handed over
``compose``    a snapshot is wanted
``stored``     shard, index
``refused``    forged, replayed, malformed, same_name: totals; when they change
``peers``      peers: {node: what it tells, seen, lag, clock}; every few seconds
=============  ============================================================================================

The courier hands over no more than MAX_UNFOLDED messages and chunks that are not ``folded``. The ids of messages, in
``heard`` and ``passed``, are what ``start`` is told as ``positions``; those of chunks are not. ``passed`` comes where the
last entries of a stream were not for the engine, at most once a second.

``current`` is also said after an outage without loss, when no ``join`` came before it. A node that only publishes gets
no ``join``, ``chunk``, ``heard``, ``passed`` and ``current``, and only one that does both is asked to ``compose``. A
``chunk`` with the index 0 begins a snapshot of its shard. ``stored`` says that the next chunk may come; a snapshot of
which a chunk could not be stored is left out, and another one will be wanted.

``epoch`` names the content of a store, empty until it is known. Of a peer, ``seen`` is when it told, in Unix seconds by
our clock; ``lag`` how many of its notices have not been handed over, and ``clock`` how many seconds its clock is ahead of
ours. ``same_name`` counts messages of a node that has our name and was started later.
"""

import json
from typing import Any, Final

Frame = tuple[str, dict[str, Any], bytes]
MAX_UNFOLDED: Final = 16
MAX_FRAME: Final = 4 << 20


def encode(verb: str, facts: dict[str, Any] | None = None, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return json.dumps([verb, facts or {}, len(payload)], separators=(",", ":")).encode() + b"\n" + payload


class FrameReader:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._head: tuple[str, dict[str, Any], int] | None = None

    def receive_data(self, data: bytes) -> list[Frame]:
        """
        Return the frames that *data* completes.

        Raises:
            ValueError: these are no frames; the stream is beyond repair.

        """
        self._rest += data
        frames: list[Frame] = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> Frame | None:
        if self._head is None:
            end = self._rest.find(b"\n")
            if end < 0:
                if len(self._rest) > MAX_FRAME:
                    raise ValueError("no frame")
                return None
            self._head = _read_head(bytes(self._rest[:end]))
            del self._rest[: end + 1]
        verb, facts, length = self._head
        if len(self._rest) < length:
            return None
        payload = bytes(self._rest[:length])
        del self._rest[:length]
        self._head = None
        return verb, facts, payload


def _read_head(line: bytes) -> tuple[str, dict[str, Any], int]:
    head = json.loads(line)
    if not isinstance(head, list) or len(head) != 3:  # noqa: PLR2004 - verb, facts, length
        raise ValueError("no frame")
    verb, facts, length = head
    kinds = (type(verb), type(facts), type(length))
    if kinds != (str, dict, int) or not 0 <= length <= MAX_FRAME:
        raise ValueError("no frame")
    return verb, facts, length
