# SPDX-License-Identifier: ISC
"""The figures of a cluster."""

from typing import Any, Final

from filter_ban.metrics import families
from filter_ban.metrics.cluster import readings
from filter_ban.metrics.families import FAMILIES

CLUSTER: Final[dict[str, Any]] = {
    "node": "mx1",
    "stores": [{"url": "redis://a", "ok": True}, {"url": "redis://b", "ok": False}],
    "current": False,
    "buffered": 7,
    "dropped": 1,
    "published": 100,
    "folded": 200,
    "forged": 2,
    "replayed": 3,
    "malformed": 4,
    "same_name": 6,
    "refused": 5,
    "peers": [
        {"node": "mx2", "seen": 1000.5, "lag": 9, "clock": -3.0},
        {"node": "mx3", "seen": 1001.5, "lag": 0, "clock": None},
    ],
}


def test_no_cluster() -> None:
    """Each family is there without a value."""
    clustered = {family for family in FAMILIES if family.name.startswith("filter_ban_cluster_")}

    assert readings(None) == {family: {} for family in clustered}
    assert set(readings(CLUSTER)) == clustered


def test_figures() -> None:
    """Each figure is what ``status`` tells; what is not known of a peer is left out."""
    found = readings(CLUSTER)

    assert found[families.CLUSTER_STORE_UP] == {("0",): 1, ("1",): 0}
    assert found[families.CLUSTER_CURRENT] == {(): 0}
    assert found[families.CLUSTER_BUFFERED] == {(): 7}
    assert found[families.CLUSTER_PUBLISHED] == {(): 100}
    assert found[families.CLUSTER_FOLDED] == {(): 200}
    assert found[families.CLUSTER_DROPPED] == {(): 1}
    assert found[families.CLUSTER_REFUSED] == {
        ("forged",): 2,
        ("replayed",): 3,
        ("malformed",): 4,
        ("same-name",): 6,
        ("never",): 5,
    }
    assert found[families.CLUSTER_PEERS] == {(): 2}
    assert found[families.CLUSTER_PEER_LAG] == {("mx2",): 9, ("mx3",): 0}
    assert found[families.CLUSTER_PEER_SEEN] == {("mx2",): 1000.5, ("mx3",): 1001.5}
    assert found[families.CLUSTER_CLOCK] == {("mx2",): -3.0}


def test_labels() -> None:
    """Each sample has as many labels as its family."""
    for family, samples in readings(CLUSTER).items():
        assert all(len(labels) == len(family.labels) for labels in samples)
