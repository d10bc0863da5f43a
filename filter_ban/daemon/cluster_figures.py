# SPDX-License-Identifier: ISC
"""How the cluster is, as this node sees it."""

import time
from typing import Any

import attrs

from filter_ban.cluster.member import Member
from filter_ban.config.cluster import PUBLISH_ONLY, Cluster


@attrs.define
class _Store:
    ok: bool = False
    problem: str = "not reached yet"
    since_s: float = attrs.Factory(time.time)
    offset_s: float = 0.0


class ClusterFigures:
    """
    What the courier has told.

    Args:
        config: Of the cluster.
        node: Name of this node.

    """

    def __init__(self, config: Cluster, node: str) -> None:
        self.current: set[int] = set()  # shards that this node has caught up with
        self.malformed = 0
        self._refused: dict[str, int] = {}
        self._refused_s: dict[str, float] = {}  # when there was one more
        self.peers: dict[str, dict[str, Any]] = {}
        self.snapshot_s: float | None = None
        self._config = config
        self._node = node
        self._stores = [_Store() for _ in config.stores]

    def heed_refused(self, totals: dict[str, int]) -> None:
        """Take note of what the courier did not believe, by reason."""
        more = [why for why, total in totals.items() if total > self._refused.get(why, 0)]
        self._refused_s |= dict.fromkeys(more, time.time())
        self._refused = totals

    def heed_store(self, facts: dict[str, Any]) -> bool:
        """Take note of how a store is; return whether it works and did not, or the other way round."""
        store = self._stores[facts["index"]]
        has_turned = store.ok is not facts["ok"]
        if has_turned:
            store.since_s = time.time()
        store.ok, store.problem, store.offset_s = facts["ok"], facts["problem"], facts["offset_s"]
        return has_turned

    def lost_courier(self, why: str) -> None:
        """Take note that nothing comes or goes now."""
        self.current.clear()
        for index in range(len(self._stores)):
            self.heed_store({"index": index, "ok": False, "problem": f"no courier: {why}", "offset_s": 0.0})

    def document(self, member: Member, courier: int | None) -> dict[str, Any]:
        """Return all, for ``status``."""
        config = self._config
        return {
            "node": self._node,
            "role": config.role,
            "trust": list(config.trust),
            "shards": config.shards,
            "courier": courier,
            "stores": [
                {
                    "url": url,
                    "ok": store.ok,
                    "problem": store.problem,
                    "since": store.since_s,
                    "offset": store.offset_s,
                }
                for url, store in zip(config.stores, self._stores, strict=True)
            ],
            "current": config.role == PUBLISH_ONLY or len(self.current) == config.shards,
            "buffered": len(member.outgoing),
            "dropped": member.outgoing.dropped,
            "published": member.outgoing.published,
            "folded": member.folded,
            "forged": self._refused.get("forged", 0),
            "replayed": self._refused.get("replayed", 0),
            "same_name": self._refused.get("same_name", 0),
            "last_forged": self._refused_s.get("forged"),
            "last_same_name": self._refused_s.get("same_name"),
            "malformed": self._refused.get("malformed", 0) + self.malformed + member.untimely,
            "refused": member.refused,
            "snapshot": self.snapshot_s,
            "peers": [{"node": node, **told} for node, told in sorted(self.peers.items())],
        }
