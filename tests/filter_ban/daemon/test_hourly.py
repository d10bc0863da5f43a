# SPDX-License-Identifier: ISC
"""Tests of filter_ban.daemon.hourly."""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from typing import Any, cast

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import ClientKey, is_ipv4, make_key, parse_network, widen
from filter_ban.daemon import hourly
from filter_ban.daemon.hourly import Frequent, HourlyTallies
from filter_ban.model import Ban, Kind, Strike
from filter_ban.tally import OTHERS, Tally, What
from tests.filter_ban.daemon.process import Daemon, Smtpd, wait_for

HOUR = 500_000
NOW_S = HOUR * 3600.0


class Watched:
    """A daemon's parts, as far as they count."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.refused = 0
        self.written: list[Tally] = []
        self.now_s = NOW_S
        self.engine: Any = attrs.make_class("Engine", ["besieged"])(0)
        self.alarms: Any = attrs.make_class("Alarms", ["count"])(0)
        self.entries: Any = attrs.make_class("Entries", ["backend", "dropped"])("pf", 0)
        self.enforcer: Any = attrs.make_class("Enforcer", ["backends"])({"pf": self.entries})
        self.lost: Any = attrs.make_class("Health", ["dropped_bans", "dropped_strikes", "dropped_logins"])(
            0, 0, 0
        )
        self.writer: Any = self
        self.sensors: Any = self
        self.tallies = HourlyTallies(cast("hourly.Watched", self), lambda: self.now_s)

    def health(self) -> Any:
        """Return the writer's health."""
        return self.lost

    def tally(self, tallies: Iterable[Tally]) -> None:
        """Take what is handed over."""
        self.written += tallies

    def sums(self) -> dict[tuple[int, str, str], int]:
        """Return what was handed over, added up, without the daemon's own minutes."""
        sums: Counter[tuple[int, str, str]] = Counter()
        for tally in self.written:
            if tally.what != What.RUN:
                sums[tally.hour - HOUR, tally.what, tally.name] += tally.number
        return dict(sums)


@pytest.fixture
def watched() -> Watched:
    """Return parts that have counted nothing."""
    return Watched()


def strike(client: str = "192.0.2.7", user: str = "alice@example.org", kind: Kind = Kind.AUTH_FAIL) -> Strike:
    """Return a strike."""
    return Strike(parse_network(client), NOW_S, kind, 1.0, user, 7, "smtps")


def ban(rule: str = "5 in 10m") -> Ban:
    """Return a ban."""
    return Ban(client=parse_network("192.0.2.7"), start_s=int(NOW_S), end_s=None, rule=rule, reason="")


def test_what_is_counted(watched: Watched) -> None:
    """Strikes count by kind, service, network and masked name; bans by rule; ends by who ended them."""
    watched.tallies.struck([strike(), strike("192.0.2.8", kind=Kind.DECOY), strike("2001:db8:1:2::/64", "")])
    watched.tallies.banned([ban(), ban("by hand")])
    watched.tallies.ended([ban()], "operator")
    watched.tallies.ended([ban(), ban()], "time")
    watched.tallies.hand_over()
    assert watched.sums() == {
        (0, "failure", "auth-fail"): 2,
        (0, "failure", "decoy"): 1,
        (0, "service", "smtps"): 3,
        (0, "network", "192.0.2.0/24"): 2,
        (0, "network", "2001:db8:1::/48"): 1,
        (0, "user", "al…@example.org"): 2,
        (0, "ban", "5 in 10m"): 1,
        (0, "ban", "by hand"): 1,
        (0, "end", "operator"): 1,
        (0, "end", "time"): 2,
    }


def test_what_others_count(watched: Watched) -> None:
    """Of what others count since their start only the growth is told; what has shrunk was begun anew."""
    watched.events.update({"auth-pass": 3, "auth-fail": 5, "auth-pass-banned": 1, "something-else": 9})
    watched.refused, watched.entries.dropped, watched.alarms.count, watched.lost.dropped_strikes = (
        4,
        100,
        1,
        2,
    )
    watched.tallies.hand_over()
    watched.events["auth-pass"] = 10
    watched.refused, watched.entries.dropped = 1, 150
    watched.tallies.hand_over()
    assert watched.sums() == {
        (0, "seen", "auth-pass"): 10,
        (0, "seen", "auth-fail"): 5,
        (0, "refusal", ""): 5,
        (0, "drop", "pf"): 150,
        (0, "alarm", "heard"): 1,
        (0, "alarm", "right-password"): 1,
        (0, "lost", "strikes"): 2,
    }


def test_minutes_and_hours(watched: Watched) -> None:
    """Counts are handed over by the minute, names when their hour is over; all belongs to the hour that was last seen."""
    watched.tallies.struck([strike()])
    watched.now_s += 59
    watched.tallies.pass_time()
    assert watched.written == []
    watched.now_s += 1
    watched.engine.besieged = 2
    watched.tallies.pass_time()
    assert watched.sums() == {(0, "failure", "auth-fail"): 1, (0, "siege", ""): 2}
    watched.engine.besieged = 0
    watched.now_s = NOW_S + 3601
    watched.tallies.struck([strike()])
    watched.tallies.pass_time()
    watched.tallies.struck([strike()])
    watched.tallies.hand_over()
    sums = watched.sums()
    assert sums[0, "user", "al…@example.org"] == 2
    assert sums[1, "user", "al…@example.org"] == 1
    assert [tally for tally in watched.written if tally.what == "run"] == [
        Tally(HOUR, "run", "start", 1),
        Tally(HOUR, "run", "minute", 1),
        Tally(HOUR, "run", "minute", 1),
    ]


@given(st.lists(st.integers(0, 300), max_size=2000))
def test_frequent_names(names: list[int]) -> None:
    """However many names there are, none is lost: the sum of those kept and the others is right, and the kept are right."""
    frequent = Frequent[int]()
    for name in names:
        frequent.add(name)
    kept, others = frequent.take()
    assert len(kept) <= hourly.NAMES_TOLD
    assert sum(kept.values()) + others == len(names)
    assert all(number == names.count(name) for name, number in kept.items())
    assert frequent.take() == ({}, 0)


def test_memory_is_bounded(watched: Watched) -> None:
    """Of a million networks a few thousand are counted at a time, and the frequent ones are among them."""
    frequent = Frequent[ClientKey]()
    for number in range(100_000):
        frequent.add(ClientKey(number.to_bytes(4) + b"\x18"))
        if not number % 10:
            frequent.add(ClientKey(b"\xff\xff\xff\x00\x18"))
        assert len(frequent._counts) <= hourly.NAMES_COUNTED
    kept, others = frequent.take()
    assert kept[ClientKey(b"\xff\xff\xff\x00\x18")] == 10_000
    assert sum(kept.values()) + others == 110_000


def test_others_have_no_name(watched: Watched) -> None:
    """What is not told by name is told all the same."""
    watched.tallies.struck([strike(f"10.0.{number}.1", "") for number in range(hourly.NAMES_TOLD + 3)])
    watched.tallies.hand_over()
    assert watched.sums()[0, "network", OTHERS] == 3


def test_the_ledger_has_them(daemon: Daemon) -> None:
    """A daemon writes what it counts when it is asked to, and the rest when it stops; no name is in clear."""
    daemon.start()
    smtpd = Smtpd(daemon)
    assert smtpd.guess("198.51.100.9", 20).startswith("disconnect|421")
    assert daemon.ask("flush") == [{"flushed": True}]

    def sums() -> dict[tuple[str, str], int]:
        with closing(sqlite3.connect(daemon.ledger)) as db:
            rows = db.execute("SELECT what, name, sum(number) FROM tally GROUP BY what, name")
            return {(what, name): number for what, name, number in rows}

    found = sums()
    assert found["failure", "auth-fail"] == 5
    assert found["user", "al…@example.org"] == 5
    assert found["network", "198.51.100.0/24"] == 5
    assert found["ban", "5 in 10m"] == 1
    assert found["refusal", ""] >= 1
    smtpd.guess("198.51.100.8", 2)
    daemon.stop()
    assert wait_for(sums, "the ledger")["failure", "auth-fail"] == 7
    assert b"alice" not in daemon.ledger.read_bytes()


@given(
    st.builds(make_key, st.binary(min_size=4, max_size=4), st.integers(0, 32))
    | st.builds(make_key, st.binary(min_size=16, max_size=16), st.integers(0, 128))
)
def test_network(client: ClientKey) -> None:
    """A client belongs to the /24 or /48 around it; what is as wide already is itself."""
    expected = widen(client, hourly.IPV4_PREFIX if is_ipv4(client) else hourly.IPV6_PREFIX)
    assert hourly._network(client) == expected
