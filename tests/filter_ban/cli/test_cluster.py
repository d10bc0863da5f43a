# SPDX-License-Identifier: ISC
"""What ``status`` tells of a cluster."""

import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban import __version__
from filter_ban.cli import cluster
from filter_ban.cli.status import lines

NOW_S: Final = 1_795_237_352.0
PEER: Final[dict[str, Any]] = {
    "node": "mx2",
    "seen": NOW_S - 3,
    "lag": 0,
    "bans": 1234,
    "dropped": 0,
    "role": "full",
    "version": "1.0",
    "clock": 0.1,
}
STORE: Final[dict[str, Any]] = {
    "url": "redis://10.0.0.1",
    "ok": True,
    "problem": "",
    "since": NOW_S - 7200,
    "offset": 0.01,
}
CLUSTER: Final[dict[str, Any]] = {
    "node": "mx1",
    "role": "full",
    "trust": ["bans", "strikes"],
    "shards": 4,
    "stores": [STORE],
    "current": True,
    **dict.fromkeys(("buffered", "dropped", "forged", "replayed", "malformed", "refused"), 0),
    "published": 1000,
    "folded": 2000,
    "snapshot": NOW_S - 60,
    "peers": [PEER, {**PEER, "node": "mx3", "clock": -200.0, "lag": 5}],
}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())


def status(**changes: Any) -> dict[str, Any]:
    """Return a document of ``status`` whose cluster is as told."""
    return {"now": NOW_S, "version": __version__, "cluster": {**CLUSTER, **changes}}


def facts(**changes: Any) -> dict[str, str]:
    """Return what is told of it."""
    return dict(cluster.facts(status(**changes), NOW_S))


def problems(**changes: Any) -> list[str]:
    """Return what is wrong with it."""
    return [*cluster.problems(status(**changes))]


def test_no_cluster() -> None:
    """Where there is none, nothing is told."""
    for document in ({"cluster": None}, {}, {"cluster": 7}):
        assert [*cluster.facts(document, NOW_S)] == []
        assert [*cluster.peer_table(document, NOW_S)] == []
        assert [*cluster.problems(document)] == []


def test_facts() -> None:
    """A node that is well is told in four lines."""
    assert facts() == {
        "cluster": "node mx1, full, believes bans and strikes, up to date",
        "notices": "1,000 told, 2,000 heard",
        "store": "redis://10.0.0.1: ok for 2h",
        "snapshot": "written 2026-11-21 05:01:32 UTC (1m ago)",
    }
    assert problems() == []


def test_other_facts() -> None:
    """What is not usual has its words."""
    told = facts(current=False, buffered=1234, replayed=2, snapshot=None, stores=[{**STORE, "offset": -3.0}])
    assert told["cluster"].endswith(", NOT up to date: not all is read that others have told")
    assert told["notices"].endswith("heard, 1,234 waiting to be told, 2 replayed")
    assert told["store"] == "redis://10.0.0.1: ok for 2h, its clock is 3s behind"
    assert told["snapshot"] == "none yet"


def test_peers() -> None:
    """Each other node has a line; of clocks only what matters is told."""
    assert [*cluster.peer_table(status(), NOW_S)] == [
        "NODE  LAST SEEN  LAG  BANS   DROPPED  CLOCK         VERSION",
        "mx2   3s ago     0    1,234  0        -             1.0",
        "mx3   3s ago     5    1,234  0        3m20s behind  1.0",
    ]


DOWN: Final = {**STORE, "ok": False, "problem": "Connection refused", "since": NOW_S - 30}
WRONG: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "store down": (
        {"stores": [DOWN, STORE]},
        "redis://10.0.0.1: Connection refused for 30s; this node judges alone, and keeps what it has to tell",
    ),
    "store down, unknown why": (
        {"stores": [{"url": "redis://a"}]},
        "redis://a: cannot be reached; this node judges alone, and keeps what it has to tell",
    ),
    "dropped": (
        {"dropped": 2000},
        "2,000 strikes could not be kept for the store, other nodes will never hear of them",
    ),
    "forged": (
        {"forged": 1},
        "1 message refused as forged: somebody else writes into the store, or a node has another cluster.key_file",
    ),
    "same name": (
        {"same_name": 3},
        "another machine is called mx1, too: give each a cluster.node of its own",
    ),
    "malformed": (
        {"malformed": 3},
        "3 messages in the store could not be read: is a node of a later version?",
    ),
    "silent": (
        {"peers": [{**PEER, "seen": NOW_S - 700}]},
        "mx2 has said nothing for 12m: is it down, or cut off from the store?",
    ),
    "clock": (
        {"peers": [{**PEER, "clock": 700}]},
        "the clock of mx2 is 12m ahead, too far to be made up for: its bans begin and end at wrong times",
    ),
}


@pytest.mark.parametrize(("changes", "told"), WRONG.values(), ids=WRONG)
def test_problems(changes: dict[str, Any], told: str) -> None:
    """What is wrong is told with what comes of it, or what to look at."""
    assert problems(**changes) == [told]


def test_one_cause() -> None:
    """Where a store is down, that other nodes are not heard of is no news."""
    assert len(problems(stores=[DOWN], peers=[{**PEER, "seen": NOW_S - 700}])) == 1


def test_status(run: Any, daemon: Any) -> None:
    """The command marks it, gives it in JSON, and ends as with other trouble."""
    daemon.answers["status"] = [{**status(stores=[DOWN]), "ledger": {"ok": True}}]
    result = run("status")
    assert result.exit_code == 0
    assert "\ncluster        node mx1, full, believes" in result.stdout
    assert "\n\nNODE  LAST SEEN  LAG" in result.stdout
    assert "\nstore          redis://10.0.0.1: NOT USABLE for 30s\n" in result.stdout
    assert "\n!! cluster: redis://10.0.0.1: Connection refused for 30s; this" in result.stdout
    document = json.loads(run("status", "--json").stdout)
    assert document["ok"] is False
    assert document["cluster"] == {**CLUSTER, "stores": [DOWN]}


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(CLUSTER, SCALARS)),
    st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(PEER, SCALARS)), max_size=3),
    st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(STORE, SCALARS)), max_size=3),
)
def test_any_values(changes: dict[str, Any], peers: list[Any], stores: list[Any]) -> None:
    """Whatever the values are, each line is printable."""
    document = {
        **status(**{**changes, "peers": peers, "stores": stores}),
        "daemon": "running",
        "ok": False,
    }
    document["problems"] = [*cluster.problems(document)]
    assert all(line.isprintable() for line in lines(document))
