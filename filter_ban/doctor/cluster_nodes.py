# SPDX-License-Identifier: ISC
"""What is wrong with the nodes of a cluster, from what they have written into its stores. Pure."""

import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from filter_ban.cluster.keys import TAG_BYTES, ClusterKeys
from filter_ban.cluster.message import read_header
from filter_ban.cluster.shards import stream_name
from filter_ban.config.cluster import Cluster
from filter_ban.doctor.finding import Finding, Severity, quoted
from filter_ban.doctor.store import IN_OUR_CONFIGURATION, PART, Visit

_SHOWN: Final = 5


def findings(found: Visit, keys: ClusterKeys, config: Cluster) -> Iterator[Finding]:
    """Yield what is wrong, as far as it can be seen in one store."""
    told = {name: _unseal(name, sealed, keys, found.nodes_name) for name, sealed in found.nodes.items()}
    others = [_name(name) for name, facts in told.items() if facts is None]
    if others:
        text = f"another key than ours seals what is told by {', '.join(others[:_SHOWN])}: neither side believes the other"
        remedy = f"sha256sum {quoted(str(config.key_file))}, on every node"
        yield Finding(PART, Severity.DANGER, "key-differs", text, remedy)
    for name, facts in told.items():
        shards = None if facts is None else facts.get("shards")
        if isinstance(shards, int) and shards != config.shards:
            text = f"{_name(name)} has cluster.shards = {shards}, we have {config.shards}: we hear each other in part"
            yield Finding(
                PART, Severity.DANGER, "shards-differ", text, f"shards = {shards}", IN_OUR_CONFIGURATION
            )
    for node in sorted(_used_twice(found, keys, config.prefix)):
        text = f"two machines are called {quoted(node)}: each takes what the other tells for its own"
        remedy = 'node = "…", on each machine another name'
        yield Finding(PART, Severity.DANGER, "name-twice", text, remedy, IN_OUR_CONFIGURATION)


def _name(name: bytes) -> str:
    return quoted(name.decode(errors="backslashreplace"))


def _unseal(name: bytes, sealed: bytes, keys: ClusterKeys, place: str) -> Mapping[str, Any] | None:
    """Return what a node tells of itself; None if it has another key, or it is somebody else's word."""
    tag, text = sealed[:TAG_BYTES], sealed[TAG_BYTES:]
    if not hmac.compare_digest(tag, keys.seal(f"{place}/{name.decode(errors='replace')}", text)):
        return None
    try:
        facts = json.loads(text)["facts"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}  # of another version
    return facts if isinstance(facts, dict) else {}


def _used_twice(found: Visit, keys: ClusterKeys, prefix: str) -> set[str]:
    """Return the names that two machines use: a node that was started later does not speak before one that was earlier."""
    twice: set[str] = set()
    for shard, tail in found.tails.items():
        place = stream_name(prefix, shard)
        started: dict[str, int] = {}
        for message, tag in tail:
            if not hmac.compare_digest(tag, keys.seal(place, message)):
                continue
            try:
                header = read_header(message)
            except (ValueError, OverflowError, RecursionError):
                continue
            if header.started < started.get(header.node, 0):
                twice.add(header.node)
            started[header.node] = header.started
    return twice
