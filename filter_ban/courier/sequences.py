# SPDX-License-Identifier: ISC
"""Which messages of a stream are new: each node numbers its notices there, from 1 at each of its starts."""

from collections.abc import Mapping

from filter_ban.cluster.message import Header


class Sequences:
    """
    The last notice of each node in one stream.

    Args:
        heard: The start of each node, and the number of its last notice, as told by the engine.

    """

    def __init__(self, heard: Mapping[str, tuple[int, int]] | None = None) -> None:
        self._last = dict(heard or {})

    def accept(self, header: Header) -> bool:
        """Return whether a message comes after all that its node has said here, and remember it if so."""
        if (header.started, header.first) <= self._last.get(header.node, (0, 0)):
            return False
        self._last[header.node] = (header.started, header.last)
        return True

    def missing(self, node: str, started: int, published: int) -> int:
        """Return how many of the *published* notices of a node's start have not come."""
        last_started, last = self._last.get(node, (0, 0))
        if last_started > started:
            return 0
        return max(0, published - last) if last_started == started else published
