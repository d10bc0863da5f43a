# SPDX-License-Identifier: ISC
"""Which stream a client's notices go to, and what keys in the store are called."""

from zlib import crc32

from filter_ban.client import ClientKey


def shard_of(client: ClientKey, shards: int) -> int:
    """Return the number of the shard of *client*, the same on all nodes."""
    return crc32(client) % shards


def stream_name(prefix: str, shard: int) -> str:
    """Return the name of a shard's stream; in braces is what decides on the slot in a cluster of servers."""
    return f"{prefix}:{{{shard}}}:stream"


def snapshot_name(prefix: str, shard: int) -> str:
    """Return the name of the hash that holds a shard's snapshot."""
    return f"{prefix}:{{{shard}}}:snapshot"
