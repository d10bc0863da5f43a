# SPDX-License-Identifier: ISC
"""What nodes tell of themselves."""

import json
from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from filter_ban.cluster.keys import ClusterKeys
from filter_ban.courier.inspection import seal
from filter_ban.courier.peers import FORGOTTEN_S, Peers, Told, read_told

KEYS = ClusterKeys(b"ours")
HASH = "fb:{0}:nodes"
NOW_S = 1_700_000_000.0
TOLD = Told(time_s=NOW_S, started=5, offset_s=1.5, published={0: 7, 1: 3}, facts={"role": "full", "bans": 4})


def entry(node: str, told: Told = TOLD, place: str = "") -> tuple[bytes, bytes]:
    """Return how *node* tells."""
    return node.encode(), told.seal(KEYS, f"{HASH}/{place or node}")


def missing(node: str, started: int, published: Mapping[int, int], told_s: float) -> int:
    """Miss all that is published."""
    assert (started, told_s) == (5, NOW_S)
    return sum(published.values())


def test_document() -> None:
    """A peer is seen when it told, by our clock; its clock and what is missing are said."""
    peers = Peers(KEYS, HASH, "mx1")
    assert peers.hear([entry("mx1"), entry("mx2")], NOW_S) == []
    assert peers.document(0.5, missing) == {
        "mx2": {"role": "full", "bans": 4, "seen": NOW_S - 0.5, "lag": 10, "clock": -1.0}
    }


@pytest.mark.parametrize(
    "entries",
    [
        [(b"mx2", b"")],
        [(b"mx2", TOLD.seal(ClusterKeys(b"others"), f"{HASH}/mx2"))],
        [entry("mx2", place="mx3")],
        [entry("x" * 64)],
        [(b"\xff", b"\xff" * 40)],
        [entry("mx2", attrs.evolve(TOLD, time_s=float("nan")))],
        [(b"mx2", seal(KEYS, f"{HASH}/mx2", b"[]"))],
        [(b"mx2", seal(KEYS, f"{HASH}/mx2", b"[" * 8000))],
        [(b"mx2", seal(KEYS, f"{HASH}/mx2", b" " * 9000))],
    ],
)
def test_disbelieved(entries: list[tuple[bytes, bytes]]) -> None:
    """What no node has put there, or nobody understands, is nobody."""
    peers = Peers(KEYS, HASH, "mx1")
    peers.hear(entries, NOW_S)
    assert peers.document(0.0, missing) == {}


def test_gone() -> None:
    """A node that is silent for a day is forgotten."""
    peers = Peers(KEYS, HASH, "mx1")
    old = attrs.evolve(TOLD, time_s=NOW_S - FORGOTTEN_S - 1)
    assert peers.hear([entry("mx2", old), entry("mx3")], NOW_S) == ["mx2"]
    assert list(peers.document(0.0, missing)) == ["mx3"]


def test_replayed() -> None:
    """Who puts back what a node told earlier does not make it older."""
    peers = Peers(KEYS, HASH, "mx1")
    earlier = attrs.evolve(TOLD, time_s=NOW_S - 60)
    peers.hear([entry("mx2")], NOW_S)
    peers.hear([entry("mx2", earlier)], NOW_S)
    assert peers.document(0.0, missing)["mx2"]["seen"] == NOW_S


@pytest.mark.parametrize(
    ("facts", "fit"),
    [
        ({"role": "a\nb"}, {"role": "a\\nb"}),
        ({"role": "x" * 500}, {"role": "x" * 99 + "…"}),
        ({"bans": [1], "more": {"a": 1}, "ok": True, "none": None}, {"ok": True, "none": None}),
        ({str(n): n for n in range(100)}, {str(n): n for n in range(20)}),
    ],
)
def test_facts_are_fit_to_show(facts: dict[str, Any], fit: dict[str, Any]) -> None:
    """Texts are bounded and escaped, and only plain values stay."""
    document = attrs.asdict(TOLD) | {"facts": facts}
    told = read_told(KEYS, "p", seal(KEYS, "p", json.dumps(document).encode()))
    assert told is not None
    assert told.facts == fit
