# SPDX-License-Identifier: ISC
"""What the doctor says of nodes from what they have written into a store."""

import json
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from filter_ban.cluster.keys import ClusterKeys
from filter_ban.cluster.message import Header, pack
from filter_ban.cluster.shards import stream_name
from filter_ban.config.cluster import Cluster
from filter_ban.doctor.cluster_nodes import findings
from filter_ban.doctor.store import Visit

KEYS: Final = ClusterKeys(b"k" * 16)
OTHERS: Final = ClusterKeys(b"o" * 16)
NODES: Final = "filter-ban:{0}:nodes"


def told(
    *, nodes: dict[bytes, bytes] | None = None, tail: list[tuple[bytes, bytes]] | None = None
) -> list[str]:
    """Return what is said."""
    found = Visit((), {}, 0, {1: tail or []}, NODES, nodes or {})
    return [str(finding) for finding in findings(found, KEYS, Cluster())]


def node(name: str, keys: ClusterKeys = KEYS, **facts: Any) -> dict[bytes, bytes]:
    """Return what a node tells of itself, as it stands in the store."""
    text = json.dumps({"time_s": 1.0, "facts": facts}).encode()
    return {name.encode(): keys.seal(f"{NODES}/{name}", text) + text}


def entry(name: str, started: int, keys: ClusterKeys = KEYS) -> tuple[bytes, bytes]:
    """Return an entry of the stream."""
    message = pack(Header(node=name, started=started, first=1, count=0), [])
    return message, keys.seal(stream_name("filter-ban", 1), message)


def test_nodes_that_agree() -> None:
    """Of nodes with the same key, the same number of shards and names of their own nothing is said."""
    nodes = node("mx1", shards=4) | node("mx2", shards=4) | node("mx3")
    assert told(nodes=nodes, tail=[entry("mx1", 5), entry("mx2", 9), entry("mx1", 5), entry("mx2", 10)]) == []


def test_another_key() -> None:
    """A node whose words are sealed with another key is named, printable."""
    nodes = node("mx1", shards=4) | node("mx\x1b2", OTHERS, shards=4) | {b"mx3": b""}
    assert told(nodes=nodes) == [
        (
            "cluster: danger: key-differs: another key than ours seals what is told by mx\\x1b2, mx3: neither side "
            "believes the other; run: sha256sum None, on every node"
        )
    ]


def test_other_shards() -> None:
    """A node with another number of shards is named."""
    assert told(nodes=node("mx2", shards=8)) == [
        (
            "cluster: danger: shards-differ: mx2 has cluster.shards = 8, we have 4: we hear each other in part; "
            "in filter-ban.toml, [cluster]: shards = 8"
        )
    ]


def test_a_name_used_twice() -> None:
    """Where two machines speak by turns under one name, it is told; a restart is none, and what is forged does not count."""
    assert told(tail=[entry("mx1", 5), entry("mx1", 9), entry("mx1", 5), entry("mx1", 9)]) == [
        (
            "cluster: danger: name-twice: two machines are called mx1: each takes what the other tells for its own; "
            'in filter-ban.toml, [cluster]: node = "…", on each machine another name'
        )
    ]
    assert told(tail=[entry("mx1", 5), entry("mx1", 9), entry("mx1", 5, OTHERS)]) == []


@given(st.dictionaries(st.binary(), st.binary()), st.lists(st.tuples(st.binary(), st.binary())), st.binary())
def test_any_bytes(nodes: dict[bytes, bytes], tail: list[tuple[bytes, bytes]], sealed: bytes) -> None:
    """Whatever lies in a store, findings are printable lines."""
    place = stream_name("filter-ban", 1)
    tail.append((sealed, KEYS.seal(place, sealed)))
    nodes[b"mx1"] = KEYS.seal(f"{NODES}/mx1", sealed) + sealed
    assert all(line.isprintable() for line in told(nodes=nodes, tail=tail))
