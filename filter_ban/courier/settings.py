# SPDX-License-Identifier: ISC
"""What a courier is told at its start."""

from typing import Any, Final

import attrs

_FULL: Final = "full"
_LISTEN_ONLY: Final = "listen-only"
_PUBLISH_ONLY: Final = "publish-only"


@attrs.frozen(kw_only=True)
class Settings:
    """
    Where the stores are, who this node is, and how far it has read.

    ``trusts_bans``: others' bans are believed.
    ``ca``, ``certificate`` and ``certificate_key`` are texts in PEM.
    ``positions`` has the id of the last entry of each shard that is folded, ``heard`` the start of each node and the
    number of its last notice there, ``epochs`` what the content of each store is called,
    ``told_offsets_s`` what was told of how far the clock of each is ahead of ours.
    """

    stores: tuple[str, ...]
    prefix: str
    node: str
    started: int
    role: str
    trusts_bans: bool = True
    shards: int
    key: str = attrs.field(repr=False)
    user: str = ""
    password: str = attrs.field(default="", repr=False)
    ca: str = attrs.field(default="", repr=False)
    certificate: str = attrs.field(default="", repr=False)
    certificate_key: str = attrs.field(default="", repr=False)
    sentinel_user: str = ""
    sentinel_password: str = attrs.field(default="", repr=False)
    positions: dict[int, str] = attrs.Factory(dict)
    heard: dict[int, dict[str, tuple[int, int]]] = attrs.Factory(dict)
    epochs: dict[int, str] = attrs.Factory(dict)
    told_offsets_s: dict[int, int] = attrs.Factory(dict)
    retention_s: int
    max_mb: int
    snapshot_s: int

    @property
    def publishes(self) -> bool:
        """Whether the others are told of strikes and bans."""
        return self.role != _LISTEN_ONLY

    @property
    def listens(self) -> bool:
        """Whether the others are heard."""
        return self.role != _PUBLISH_ONLY

    @property
    def composes(self) -> bool:
        """Whether it writes snapshots: only who hears all, believes in bans and tells all knows what belongs in one."""
        return self.role == _FULL and self.trusts_bans

    def shards_on(self, store: int) -> range:
        """Return the shards that are on the store of that index."""
        return range(store, self.shards, len(self.stores))

    def to_facts(self) -> dict[str, Any]:
        """Return the facts of the frame ``start``."""
        return attrs.asdict(self)

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> "Settings":
        """Return what :meth:`to_facts` made facts of, also if they have been JSON since."""
        return cls(
            **{
                **facts,
                "stores": tuple(facts["stores"]),
                "positions": {int(shard): entry for shard, entry in facts["positions"].items()},
                "heard": {
                    int(shard): {node: (started, last) for node, (started, last) in nodes.items()}
                    for shard, nodes in facts["heard"].items()
                },
                "epochs": {int(store): epoch for store, epoch in facts["epochs"].items()},
                "told_offsets_s": {int(store): told for store, told in facts["told_offsets_s"].items()},
            }
        )
