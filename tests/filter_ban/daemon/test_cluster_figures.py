# SPDX-License-Identifier: ISC
"""What is told of the cluster, and for how long."""

from typing import Any, Final

import attrs
import pytest

from filter_ban.cli.cluster import ALARM_S, problems
from filter_ban.config.cluster import FULL, PUBLISH_ONLY, Cluster
from filter_ban.daemon.cluster_figures import ClusterFigures
from tests.filter_ban.cluster.test_member import Node, banned

NOW_S: Final = 1_795_237_352.0
URL: Final = "redis://10.0.0.1"


class Clock:
    """Stands in place of the module ``time``."""

    now_s = NOW_S

    def time(self) -> float:
        """Return the time."""
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Provide the clock of the figures."""
    made = Clock()
    monkeypatch.setattr("filter_ban.daemon.cluster_figures.time", made)
    return made


def figures(role: str = FULL) -> ClusterFigures:
    """Return those of a node with one store that works."""
    config = attrs.evolve(Cluster(), stores=(URL,), shards=2, role=role)
    made = ClusterFigures(config, "mx1")
    made.heed_store({"index": 0, "ok": True, "problem": "", "offset_s": 0.0})
    return made


def document(told: ClusterFigures) -> dict[str, Any]:
    """Return what ``status`` tells."""
    return told.document(Node().member, 7)


@pytest.mark.parametrize(
    ("reason", "text"), [("forged", "refused as forged"), ("same_name", "another machine is called mx1")]
)
def test_alarms_age(reason: str, text: str, clock: Clock) -> None:
    """What happened is told for an hour after the last time, though the total stays."""
    told = figures()

    def alarms(now_s: float) -> int:
        status = {"now": now_s, "cluster": document(told)}
        return sum(text in problem for problem in problems(status))

    assert alarms(NOW_S) == 0
    told.heed_refused({reason: 1})
    assert (alarms(NOW_S + ALARM_S - 1), alarms(NOW_S + ALARM_S)) == (1, 0)

    clock.now_s = NOW_S + 5000
    told.heed_refused({reason: 1, "replayed": 3})
    assert alarms(NOW_S + 5000) == 0
    told.heed_refused({reason: 2, "replayed": 3})
    assert alarms(NOW_S + 5000) == 1
    assert (document(told)[reason], document(told)["replayed"]) == (2, 3)


def test_a_store_turns(clock: Clock) -> None:
    """The time is that of the last turn, the problem the last one."""
    told = figures()
    down = {"index": 0, "ok": False, "offset_s": 0.0}
    clock.now_s = NOW_S + 10
    assert told.heed_store({**down, "problem": "timeout"})
    clock.now_s = NOW_S + 20
    assert not told.heed_store({**down, "problem": "OOM"})

    (store,) = document(told)["stores"]
    assert store == {"url": URL, "ok": False, "problem": "OOM", "since": NOW_S + 10, "offset": 0.0}


def test_current() -> None:
    """When all shards are caught up with; who only publishes has nothing to catch up with."""
    told = figures()
    is_current = []
    for shard in (0, 1):
        told.current.add(shard)
        is_current.append(document(told)["current"])
    told.lost_courier("it hangs")
    is_current.append(document(told)["current"])

    assert is_current == [False, True, False]
    assert document(told)["stores"][0]["problem"] == "no courier: it hangs"
    assert document(figures(PUBLISH_ONLY))["current"] is True


def test_what_cannot_be_read_is_one_number() -> None:
    """What the courier, the link and the member left out."""
    told, node = figures(), Node()
    told.heed_refused({"malformed": 2})
    told.malformed += 3
    node.hear(banned(100_000, None))

    assert told.document(node.member, None)["malformed"] == 6
