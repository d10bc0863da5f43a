# SPDX-License-Identifier: ISC
"""What nodes tell of themselves in the store: sealed documents, one for each node."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import attrs

from filter_ban.cluster.keys import ClusterKeys
from filter_ban.cluster.notice import MAX_NODE
from filter_ban.courier.inspection import seal, unseal
from filter_ban.text import excerpt

FORGOTTEN_S: Final = 86400.0
MAX_BYTES: Final = 8192
_MAX_FACTS: Final = 20

Missing = Callable[[str, int, Mapping[int, int], float], int]


@attrs.frozen(kw_only=True)
class Told:
    """
    What a node tells: when, by the store's clock, since when it runs, and how many notices it has published.

    ``facts`` is what its engine wants to be known; ``offset_s`` is how far the store's clock is ahead of its own.
    """

    time_s: float
    started: int
    offset_s: float
    published: dict[int, int]  # by shard
    facts: dict[str, Any]

    def seal(self, keys: ClusterKeys, place: str) -> bytes:
        """Return it as it stands in the store."""
        return seal(keys, place, json.dumps(attrs.asdict(self), separators=(",", ":")).encode())


def read_told(keys: ClusterKeys, place: str, sealed: bytes) -> Told | None:
    """Return what a node tells; None if it is not sealed by one, or not understood."""
    message = unseal(keys, place, sealed)
    if message is None or len(message) > MAX_BYTES:
        return None
    try:
        document = json.loads(message)
        told = Told(
            time_s=float(document["time_s"]),
            started=int(document["started"]),
            offset_s=float(document["offset_s"]),
            published={int(shard): int(last) for shard, last in document["published"].items()},
            facts=_fit(document["facts"]),
        )
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        return None
    return told if math.isfinite(told.time_s) and math.isfinite(told.offset_s) else None


def _fit(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that may be shown."""
    fit: dict[str, Any] = {}
    for name, value in list(facts.items())[:_MAX_FACTS]:
        if isinstance(value, str):
            fit[excerpt(name)] = excerpt(value)
        elif value is None or (isinstance(value, int | float) and math.isfinite(value)):
            fit[excerpt(name)] = value
    return fit


class Peers:
    """
    The other nodes.

    Args:
        keys: Of the cluster.
        place: The hash in which they tell.
        node: Name of this node.

    """

    def __init__(self, keys: ClusterKeys, place: str, node: str) -> None:
        self._keys = keys
        self._place = place
        self._node = node
        self._told: dict[str, Told] = {}

    def __len__(self) -> int:
        return len(self._told)

    def place_of(self, node: str) -> str:
        """Return the place that what *node* tells is sealed for."""
        return f"{self._place}/{node}"

    def hear(self, entries: Iterable[tuple[bytes, bytes]], store_s: float) -> list[str]:
        """Take note of the entries of the hash; return the names of nodes that are long gone."""
        gone: list[str] = []
        told: dict[str, Told] = {}
        for name, sealed in entries:
            node = name.decode(errors="replace")
            news = read_told(self._keys, self.place_of(node), sealed) if len(node) <= MAX_NODE else None
            if news is None or node == self._node:
                continue
            if news.time_s < store_s - FORGOTTEN_S:
                gone.append(node)
                continue
            known = self._told.get(node)  # who replays what a node told earlier makes it no older
            told[node] = known if known is not None and known.time_s > news.time_s else news
        self._told = told
        return gone

    def document(self, own_offset_s: float, missing: Missing) -> dict[str, dict[str, Any]]:
        """Return what they tell, as the engine is told of it; *missing* counts what has not come of a node's notices."""
        return {
            node: {
                **told.facts,
                "seen": round(told.time_s - own_offset_s, 1),
                "lag": missing(node, told.started, told.published, told.time_s),
                "clock": round(own_offset_s - told.offset_s, 2),
            }
            for node, told in self._told.items()
        }
