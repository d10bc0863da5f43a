# SPDX-License-Identifier: ISC
"""What a snapshot consists of: the generation of its chunks, how many they are, who made them and when."""

import json
import re
from typing import Final

import attrs

from filter_ban.cluster.keys import ClusterKeys
from filter_ban.courier.inspection import seal, unseal
from filter_ban.text import excerpt

FIELD: Final = "manifest"
MAX_CHUNKS: Final = 100_000
_GENERATION: Final = re.compile(r"[0-9a-f]{16}")


@attrs.frozen(kw_only=True)
class Manifest:
    """Of the snapshot of one shard; ``made_s`` is by the store's clock."""

    generation: str
    chunks: int
    node: str
    made_s: int

    def seal(self, keys: ClusterKeys, snapshot: str) -> bytes:
        """Return it as it stands in the hash *snapshot*."""
        return seal(
            keys, f"{snapshot}/{FIELD}", json.dumps(attrs.asdict(self), separators=(",", ":")).encode()
        )


def read_manifest(keys: ClusterKeys, snapshot: str, sealed: bytes) -> Manifest | None:
    """Return the manifest of the hash *snapshot*; None if *sealed* is none that a node has put there."""
    message = unseal(keys, f"{snapshot}/{FIELD}", sealed)
    if message is None:
        return None
    try:
        match json.loads(message):
            case {
                "generation": str(generation),
                "chunks": int(chunks),
                "node": str(node),
                "made_s": int(made_s),
            }:
                if _GENERATION.fullmatch(generation) and 0 <= chunks <= MAX_CHUNKS:
                    return Manifest(generation=generation, chunks=chunks, node=excerpt(node), made_s=made_s)
    except (ValueError, RecursionError):
        return None
    return None


def field_of(generation: str, index: int) -> str:
    """Return the field of a chunk."""
    return f"{generation}:{index}"


def place_of(snapshot: str, generation: str, index: int) -> str:
    """Return the place that a chunk is sealed for."""
    return f"{snapshot}/{generation}/{index}"
