# SPDX-License-Identifier: ISC
"""Other rules for some networks and services."""

import math

import pytest

from filter_ban.model import Kind
from tests.filter_ban.engine.judging import BOT, DAY_S, Court

OFFICE = '[[override]]\nnetworks = ["192.0.2.0/24"]\n'
IMAP = '[[override]]\nservices = ["dovecot imap"]\n'


def test_limits_of_a_network() -> None:
    """They hold there and nowhere else."""
    court = Court(OFFICE + 'windows = ["8 in 10m"]')

    assert [ban.rule for ban in court.fail_often(8)] == ["8 in 10m"]
    assert [ban.rule for ban in court.fail_often(5, address="198.51.100.7")] == ["5 in 10m"]


def test_stricter_limits() -> None:
    """A network can be trusted less."""
    assert [ban.strikes for ban in Court(OFFICE + 'windows = ["1 in 1m"]').fail_often(1)] == [1.0]


def test_a_service_that_counts_nothing() -> None:
    """What fails there is neither a strike nor remembered; elsewhere the same client is judged."""
    court = Court(IMAP + "factor = 0")
    for at_s in range(50):
        assert court.fail(at_s, service="dovecot imap") == []
    assert court.engine.outbox.strikes == []

    assert len(court.fail_often(5, 100)) == 1


@pytest.mark.parametrize(("factor", "strikes"), [(0.5, 0.5), (2, 2.0), (0.001, 0.0)])
def test_a_factor(factor: float, strikes: float) -> None:
    """Weights are exact to the hundredth."""
    court = Court(OFFICE + f"factor = {factor}")
    court.fail(0)

    assert court.strikes(0, BOT) == strikes


def test_what_is_weighed_up_later_is_judged_by_the_same_limits() -> None:
    """A failure in a siege bans nobody whose limit is above it."""
    court = Court(OFFICE + 'windows = ["16 in 10m"]\n[siege]\nclients = 2')
    court.fail(0, "198.51.100.7")
    court.fail(10)

    assert court.resolve(1000) == []
    assert court.strikes(1000) == 15.0


def test_ladder_of_a_network() -> None:
    """It decides by offence there and nowhere else."""
    court = Court("[limits]\nrelapse = 1\n" + OFFICE + 'ladder = ["1h", "3h"]')
    ladder = {address: lengths(court, address) for address in (BOT, "198.51.100.7")}

    assert ladder == {BOT: [3600, 10_800, 10_800], "198.51.100.7": [900, 7200, DAY_S]}


def lengths(court: Court, address: str) -> list[int | None]:
    """Return how long the next three bans of *address* are."""
    bans = []
    for days in range(3):
        bans += court.fail_often(5, days * DAY_S * 8, address=address)
        court.engine.expire(math.inf)
    return [ban.end_s and ban.end_s - ban.start_s for ban in bans]


def test_ladder_of_a_service() -> None:
    """For ever is for ever."""
    court = Court('[[override]]\nservices = ["blocklistd 22"]\nwindows = ["2 in 1m"]\nladder = ["forever"]')
    for at_s in range(2):
        (*bans,) = court.fail(at_s, service="blocklistd 22")

    assert [(ban.rule, ban.end_s) for ban in bans] == [("2 in 1m", None)]


def test_ladder_of_a_hard_strike() -> None:
    """What bans at once bans for as long."""
    court = Court(OFFICE + 'ladder = ["3h"]')
    (ban,) = court.see(Kind.DECOY, 0)

    assert ban.end_s == ban.start_s + 10_800


def test_ladder_of_what_is_weighed_up_later() -> None:
    """A ban that comes of a siege is as long as any other there."""
    court = Court(OFFICE + 'windows = ["15 in 10m"]\nladder = ["3h"]\n[siege]\nclients = 2')
    court.fail(0, "198.51.100.7")
    court.fail(10)
    (ban,) = court.resolve(1000)

    assert ban.end_s == ban.start_s + 10_800
