# SPDX-License-Identifier: ISC
"""How much happened in each of the last 60 minutes."""

from filter_ban.client import parse_network
from filter_ban.daemon.minutes import MINUTES, Minutes
from filter_ban.model import Ban, Kind, Strike

CLIENT = parse_network("192.0.2.7")
STRIKE = Strike(CLIENT, 0.0, Kind.AUTH_FAIL, 1.0)
BAN = Ban(client=CLIENT, start_s=0, end_s=None, rule="by hand", reason="")
START_S = 60_000 * 60.0


class World:
    """A clock, a count of refusals, and the minutes that go by them."""

    def __init__(self) -> None:
        self.now_s = START_S
        self.refused = 7
        self.minutes = Minutes(lambda: self.refused, lambda: self.now_s)


def test_counts() -> None:
    """What happens is counted in its minute; what was refused before the start is not."""
    world = World()
    world.minutes.struck([STRIKE] * 3)
    world.minutes.banned([BAN])
    world.now_s += 59
    world.minutes.ended([BAN], "operator")
    world.minutes.ended([BAN], "time")
    world.refused += 2
    world.minutes.tick()
    world.now_s += 1
    world.minutes.struck([STRIKE])
    world.minutes.tick()
    assert world.minutes.counts() == {"failures": [3, 1], "refused": [2, 0], "bans": [1, 0], "lifts": [1, 0]}


def test_an_hour_is_kept() -> None:
    """What is older is forgotten, however long nothing happens."""
    world = World()
    world.minutes.struck([STRIKE])
    world.now_s += 59 * 60
    assert world.minutes.counts()["failures"] == [1] + [0] * 59
    world.now_s += 60
    assert world.minutes.counts()["failures"] == [0] * MINUTES
    world.now_s += 10**9
    assert world.minutes.counts()["failures"] == [0] * MINUTES


def test_a_clock_that_is_set_back() -> None:
    """Its minutes count as the one that runs; a count of refusals that shrinks is none."""
    world = World()
    world.now_s -= 3600
    world.refused = 0
    world.minutes.struck([STRIKE])
    world.minutes.tick()
    assert world.minutes.counts()["failures"] == [1]
    assert world.minutes.counts()["refused"] == [0]


def test_recall() -> None:
    """What was before the start is counted in its minute; what came after has been counted already."""
    world = World()
    world.minutes.struck([STRIKE])
    world.now_s += 61
    world.minutes.recall(
        "failures", [START_S + 1, START_S - 1, START_S - 2, START_S - 58 * 60, START_S - 59 * 60]
    )
    failures = world.minutes.counts()["failures"]
    assert (len(failures), failures[-3:], failures[:2], sum(failures)) == (MINUTES, [2, 1, 0], [1, 0], 4)
    assert world.minutes.counts()["refused"] == [0, 0]
