# SPDX-License-Identifier: ISC
"""From decision to enforcement: what is measured, and that nothing is kept of bans that never come to it."""

from collections.abc import Iterable
from typing import Any

from filter_ban.client import ClientKey, key_text, parse_network
from filter_ban.daemon.enforcement import Enforcer
from filter_ban.daemon.time_to_ban import TimeToBan
from filter_ban.explanation import BY_HAND
from filter_ban.model import Ban

BOT, OTHER = parse_network("198.51.100.66"), parse_network("198.51.100.67")


class Rig:
    """The engine's side of the enforcer with a clock that stands still."""

    def __init__(self, *backends: str) -> None:
        self.now_s = 100.0
        self.times = TimeToBan(lambda: self.now_s)
        self.enforcer = Enforcer(lambda _message: None, backends=backends or ("pf",), time_to_ban=self.times)

    def push(self, *clients: ClientKey, rule: str = "5 in 10m", committed: bool = False) -> None:
        """Ask for entries."""
        bans = [Ban(client=client, start_s=1, end_s=None, rule=rule, reason="") for client in clients]
        self.enforcer.push(bans, committed=committed)

    def outcome(self, clients: Iterable[ClientKey], backend: str = "pf", what: str = "in_force") -> None:
        """Let a backend say what became of entries."""
        news: list[Any] = [key_text(client) for client in clients]
        if what == "failed":
            news = [[text, "why"] for text in news]
        self.enforcer.outcome({"backend": backend, what: news})

    @property
    def measured(self) -> tuple[int, float]:
        """How many bans were measured, and the sum of their times."""
        return self.times.took_s.count, self.times.took_s.total


def test_both_ledger_and_firewall_are_waited_for() -> None:
    """It ends when the last of the two has the ban, whichever that is."""
    rig = Rig()
    rig.push(BOT, OTHER)
    rig.now_s += 1
    rig.outcome([BOT])
    rig.enforcer.committed([OTHER])
    assert rig.measured == (0, 0.0)
    rig.now_s += 1
    rig.enforcer.committed([BOT])
    rig.now_s += 1
    rig.outcome([OTHER])

    assert rig.measured == (2, 2.0 + 3.0)
    assert rig.times.oldest_s == 0.0


def test_all_backends_are_waited_for() -> None:
    """And an entry that is made again later is not measured again."""
    rig = Rig("pf", "route")
    rig.push(BOT)
    rig.enforcer.committed([BOT])
    rig.outcome([BOT])
    rig.now_s += 4
    assert (rig.measured, rig.times.oldest_s) == ((0, 0.0), 4.0)
    rig.outcome([BOT], "route")
    rig.now_s += 60
    rig.outcome([BOT], "route")

    assert rig.measured == (1, 4.0)


def test_what_failed_is_measured_when_it_succeeds() -> None:
    """Until then it is the oldest that waits."""
    rig = Rig()
    rig.push(BOT)
    rig.enforcer.committed([BOT])
    rig.outcome([BOT], what="failed")
    rig.now_s += 300
    rig.push(OTHER)
    assert (rig.measured[0], rig.times.oldest_s) == (0, 300.0)
    rig.outcome([BOT])

    assert rig.measured == (1, 300.0)
    assert rig.times.oldest_s == 0.0  # the other's, of this moment


def test_bans_by_hand_and_of_the_ledger_are_not_measured() -> None:
    """An import of thousands would say nothing about how soon a guesser is shut out."""
    rig = Rig()
    rig.push(BOT, rule=BY_HAND)
    rig.push(OTHER, committed=True)
    rig.enforcer.committed([BOT])
    rig.now_s += 1
    rig.outcome([BOT, OTHER])

    assert rig.measured == (0, 0.0)


def test_a_ban_that_is_over_leaves_nothing() -> None:
    """It is not waited for any more."""
    rig = Rig()
    rig.push(BOT)
    rig.enforcer.withdraw([BOT])
    rig.now_s += 1
    rig.outcome([BOT])

    assert (rig.measured, rig.times.oldest_s) == ((0, 0.0), 0.0)


def test_a_ban_anew_is_measured_anew() -> None:
    """An extended ban is as old as its last decision, and stands behind those before it."""
    rig = Rig()
    rig.push(BOT)
    rig.now_s += 1
    rig.push(OTHER)
    rig.now_s += 1
    rig.push(BOT)
    assert rig.times.oldest_s == 1.0
    rig.enforcer.committed([BOT, OTHER])
    rig.now_s += 1
    rig.outcome([BOT, OTHER])

    assert rig.measured == (2, 1.0 + 2.0)
