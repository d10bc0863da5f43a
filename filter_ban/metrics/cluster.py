# SPDX-License-Identifier: ISC
"""The figures of a cluster, from what ``status`` tells of it."""

from collections.abc import Mapping
from typing import Any, Final

from filter_ban.metrics import families
from filter_ban.metrics.exposition import Labels, Readings, Value

_NUMBERS: Final = {
    families.CLUSTER_CURRENT: "current",
    families.CLUSTER_BUFFERED: "buffered",
    families.CLUSTER_PUBLISHED: "published",
    families.CLUSTER_FOLDED: "folded",
    families.CLUSTER_DROPPED: "dropped",
}
_REFUSED: Final = {
    "forged": "forged",
    "replayed": "replayed",
    "malformed": "malformed",
    "same-name": "same_name",
    "never": "refused",
}
_OF_PEERS: Final = {
    families.CLUSTER_PEER_LAG: "lag",
    families.CLUSTER_PEER_SEEN: "seen",
    families.CLUSTER_CLOCK: "clock",
}
_FAMILIES: Final = (
    families.CLUSTER_STORE_UP,
    *_NUMBERS,
    families.CLUSTER_REFUSED,
    families.CLUSTER_PEERS,
    *_OF_PEERS,
)


def readings(cluster: Mapping[str, Any] | None) -> Readings:
    """Return the figures of *cluster*, which is part of the document of ``status``; None: there is none, nor a value."""
    if cluster is None:
        return {family: {} for family in _FAMILIES}
    peers = cluster["peers"]
    return {
        families.CLUSTER_STORE_UP: {
            (str(index),): int(store["ok"]) for index, store in enumerate(cluster["stores"])
        },
        **{family: {(): int(cluster[key])} for family, key in _NUMBERS.items()},
        families.CLUSTER_REFUSED: {(why,): cluster.get(key, 0) for why, key in _REFUSED.items()},
        families.CLUSTER_PEERS: {(): len(peers)},
        **{family: _of_peers(peers, key) for family, key in _OF_PEERS.items()},
    }


def _of_peers(peers: list[Mapping[str, Any]], key: str) -> dict[Labels, Value]:
    """Return a figure of each peer for which it is known."""
    return {(peer["node"],): peer[key] for peer in peers if peer.get(key) is not None}
