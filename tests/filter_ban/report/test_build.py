# SPDX-License-Identifier: ISC
"""Tests of filter_ban.report.build."""

from collections.abc import Callable

from hypothesis import given

from filter_ban.report.geo import Place
from filter_ban.report.model import Ranking, Report, Row, Total
from filter_ban.tally import Tally
from tests.filter_ban.report.making import HOUR, held, report, reports, sums

SetZone = Callable[[str], None]


def test_totals() -> None:
    """Each total stands beside that of the period before."""
    found = report(
        held(
            sums=sums(
                seen={"auth-pass": 7, "auth-fail": 20, "decoy": 1},
                failure={"auth-fail": 9, "unknown-user": 3},
                refusal={"": 5},
                ban={"by hand": 1, "5 in 10m": 2},
                end={"operator": 1, "time": 2, "never-list": 4},
                drop={"pf": 100, "nftables": 50},
            ),
            sums_before=sums(failure={"auth-fail": 6}, ban={"by hand": 4}),
        )
    )
    assert found.failures == Total(12, 6)
    assert found.uncounted == Total(9, 0)
    assert found.logins == Total(7, 0)
    assert found.refused == Total(5, 0)
    assert found.bans == Total(3, 4)
    assert found.banned_by_hand == Total(1, 4)
    assert found.lifted == Total(5, 0)
    assert found.dropped == Total(150, 0)
    assert found.kinds.rows == [Row("failed login", 9), Row("unknown user", 3)]
    assert not found.is_empty
    assert found.notes == []


def test_nothing_to_compare_with() -> None:
    """Where the period before was not recorded, or not all of it, nothing is said of it."""
    assert report(held(recorded_since_s=(HOUR - 24) * 3600)).failures == Total(0, 0)
    assert report(held(recorded_since_s=(HOUR - 23) * 3600)).failures == Total(0, None)
    assert report(held(recorded_since_s=None)).failures == Total(0, None)


def test_times(set_zone: SetZone) -> None:
    """Hours without anything have their place; the hours of the day are local."""
    set_zone("CET-1")
    tallies = [
        Tally(HOUR, "failure", "auth-fail", 5),
        Tally(HOUR, "failure", "decoy", 1),
        Tally(HOUR + 3, "failure", "auth-fail", 9),
        Tally(HOUR + 3, "refusal", "", 4),
        Tally(HOUR + 3, "end", "time", 4),
        Tally(HOUR + 3, "end", "operator", 2),
    ]
    found = report(held(hourly=tallies))
    assert [one.failures for one in found.bins] == [6, 0, 0, 9, *[0] * 20]
    assert (found.bins[3].refused, found.bins[3].lifted, found.bins[3].start_s) == (4, 2, (HOUR + 3) * 3600)
    assert [one.failures for one in found.busiest] == [9, 6]
    assert found.hours[(HOUR + 1) % 24] == 6
    assert sum(found.hours) == 15


def test_ranking() -> None:
    """The most frequent come first; those without a name of their own, and those beyond the last, are the others."""
    found = report(held(sums=sums(user={"a…": 1, "b…": 5, "": 7, "c…": 5, "d…": 2})))
    assert found.users == Ranking(rows=[Row("b…", 5), Row("c…", 5), Row("d…", 2)], others=8, total=20)


def test_places() -> None:
    """Countries and systems are those of the networks; without a database there are none."""
    counted = sums(network={"192.0.2.0/24": 5, "198.51.100.0/24": 3, "203.0.113.0/24": 2, "": 4})
    places = {
        "192.0.2.0/24": Place("DE Germany"),
        "198.51.100.0/24": Place("FR France", "AS64500"),
        "203.0.113.0/24": Place("DE Germany"),
    }
    found = report(held(sums=counted), places=places.__getitem__)
    assert found.countries == Ranking([Row("DE Germany", 7), Row("FR France", 3)], 4, 14)
    assert found.systems == Ranking([Row("AS64500", 3)], 11, 14)
    assert found.networks.rows[0] == Row("192.0.2.0/24", 5, "DE Germany")
    without = report(held(sums=counted))
    assert (without.countries, without.systems, without.networks.rows[0].about) == (None, None, "")
    assert report(held(sums=counted), places=lambda _: Place()).countries is None


def test_empty() -> None:
    """Logins alone are nothing that happened; a packet that was dropped is."""
    assert report(held(sums=sums(seen={"auth-pass": 9}))).is_empty
    assert not report(held(sums=sums(drop={"pf": 1}))).is_empty


@given(reports)
def test_rankings_are_complete(found: Report) -> None:
    """Nothing gets lost in a ranking."""
    for ranking in (found.kinds, found.services, found.networks, found.users, found.rules, found.backends):
        assert sum(row.number for row in ranking.rows) + ranking.others == ranking.total
        assert len(ranking.rows) <= 3
    assert sum(row.number for row in found.time_to_ban.rows) == found.time_to_ban.known
