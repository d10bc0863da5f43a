# SPDX-License-Identifier: ISC
"""Other rules for some networks and services."""

import pytest

from tests.filter_ban.engine.judging import BOT, Court

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
