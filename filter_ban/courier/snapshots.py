# SPDX-License-Identifier: ISC
"""Snapshots in a store: written chunk by chunk, seen by others only when they are complete, and read."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from typing import Final

import attrs

from filter_ban.cluster.keys import ClusterKeys
from filter_ban.cluster.shards import snapshot_name
from filter_ban.courier.inspection import seal, unseal
from filter_ban.courier.line import Line
from filter_ban.courier.manifest import FIELD, Manifest, field_of, place_of, read_manifest

_AT_ONCE: Final = 8  # chunks of a megabyte at most
_COMPOSER_S: Final = 1.0  # so long it is waited for somebody who composes the first snapshot
_COMPOSING_S: Final = 5.0  # and so long for that
_LOOK_S: Final = 0.1
_TRIES: Final = 3
_DELETED_AT_ONCE: Final = 200


@attrs.frozen
class Chunk:
    """A piece of the snapshot of a shard; with the first one a snapshot begins."""

    shard: int
    index: int
    is_last: bool
    message: bytes


class SnapshotWriter:
    """
    Writes snapshots. A chunk that is not stored makes what follows of its snapshot worthless, and it is left out.

    Args:
        keys: Of the cluster.
        prefix: Of names in the store.
        node: Name of this node.

    """

    def __init__(self, keys: ClusterKeys, prefix: str, node: str) -> None:
        self._keys = keys
        self._prefix = prefix
        self._node = node
        self._generations: dict[int, str] = {}  # by shard; of what is being written

    def abandon(self, shard: int) -> None:
        """Leave out what is still to come of a snapshot."""
        self._generations.pop(shard, None)

    async def store(self, line: Line, chunk: Chunk, made_s: float) -> None:
        """
        Store *chunk*, and with the last one make the snapshot the valid one.

        Raises:
            StoreError: the store does not take it.

        """
        if chunk.index == 0:
            self._generations[chunk.shard] = os.urandom(8).hex()
        generation = self._generations.get(chunk.shard)
        if generation is None:
            return
        name = snapshot_name(self._prefix, chunk.shard)
        sealed = seal(self._keys, place_of(name, generation, chunk.index), chunk.message)
        await line.ask("HSET", name, field_of(generation, chunk.index), sealed)
        if chunk.is_last:
            manifest = Manifest(
                generation=generation, chunks=chunk.index + 1, node=self._node, made_s=int(made_s)
            )
            await line.ask("HSET", name, FIELD, manifest.seal(self._keys, name))
            await _delete_all_but(line, name, generation)
            self.abandon(chunk.shard)


def lock_name(prefix: str, shard: int) -> str:
    """Return the name of what tells that somebody composes the snapshots of a place, whose first shard is *shard*."""
    return f"{prefix}:{{{shard}}}:lock"


async def manifest_in(line: Line, keys: ClusterKeys, snapshot: str) -> Manifest | None:
    """Return the manifest in the hash *snapshot*; None if there is none."""
    sealed = await line.ask("HGET", snapshot, FIELD)
    return None if sealed is None else read_manifest(keys, snapshot, sealed)


async def first_manifest(
    line: Line, keys: ClusterKeys, snapshot: str, lock: str, since_s: float
) -> Manifest | None:
    """Return the manifest in the hash *snapshot*; until it is there, wait for who composes it, from *since_s* on."""
    while True:
        manifest = await manifest_in(line, keys, snapshot)
        patience_s = _COMPOSING_S if await line.ask("GET", lock) else _COMPOSER_S
        if manifest is not None or time.monotonic() > since_s + patience_s:
            return manifest
        await asyncio.sleep(_LOOK_S)


async def chunks_of(
    line: Line, keys: ClusterKeys, snapshot: str, manifest: Manifest
) -> AsyncIterator[tuple[str, bytes | None]]:
    """Yield a name for each chunk of *snapshot* and its message; None if it is forged. One may take the place of it."""
    for _ in range(_TRIES):
        generation = manifest.generation
        for start in range(0, manifest.chunks, _AT_ONCE):
            indexes = range(start, min(start + _AT_ONCE, manifest.chunks))
            sealed = await line.ask("HMGET", snapshot, *(field_of(generation, index) for index in indexes))
            if None in sealed:
                break
            for index, chunk in zip(indexes, sealed, strict=True):
                message = unseal(keys, place_of(snapshot, generation, index), chunk)
                yield field_of(generation, index), message
        else:
            return
        found = await manifest_in(line, keys, snapshot)
        if found is None or found.generation == generation:
            return
        manifest = found


async def _delete_all_but(line: Line, snapshot: str, generation: str) -> None:
    fields: list[bytes] = await line.ask("HKEYS", snapshot)
    kept = (FIELD.encode(), f"{generation}:".encode())
    old = [field for field in fields if not field.startswith(kept)]
    for start in range(0, len(old), _DELETED_AT_ONCE):
        await line.ask("HDEL", snapshot, *old[start : start + _DELETED_AT_ONCE])
