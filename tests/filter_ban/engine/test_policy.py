# SPDX-License-Identifier: ISC
"""The compiled configuration: weights, overrides, ladder."""

import pytest

from filter_ban.client import parse_network
from filter_ban.config import parse_config
from filter_ban.engine import Policy
from filter_ban.engine.history import MAX_HUNDREDTHS
from filter_ban.engine.policy import HARD, ban_length_s
from filter_ban.model import Kind

OFFICE = """
[[override]]
networks = ["203.0.113.0/24", "2001:db8:1::/48"]
services = ["smtpd"]
factor = 0.5
[[override]]
networks = ["203.0.113.0/24"]
windows = ["50 in 1h", "40 in 1d"]
[[override]]
services = ["dovecot imap", "dovecot pop3"]
factor = 0
"""


def compiled(config: str = "") -> Policy:
    """Return the policy of *config*."""
    return Policy.compile(parse_config(config))


@pytest.mark.parametrize(
    ("client", "service", "which"),
    [
        ("203.0.113.7", "smtpd 465", 0),
        ("203.0.113.7", "dovecot imap", 1),
        ("203.0.113.7", "", 1),
        ("2001:db8:1:2::/64", "smtpd", 0),
        ("2001:db8:1:2::/64", "dovecot imap", 2),
        ("2001:db8:1:2::/64", "", None),
        ("192.0.2.1", "dovecot imaps", 2),
        ("192.0.2.1", "dovecot", None),
        ("192.0.2.1", "smtpd 465", None),
        ("192.0.2.1", "x dovecot imap", None),
    ],
)
def test_the_first_override_that_fits_holds(client: str, service: str, which: int | None) -> None:
    """It fits where the network, if any is named, and the beginning of the service do."""
    policy = compiled(OFFICE)
    expected = None if which is None else policy.exemptions[which]

    assert policy.exemption(parse_network(client), service) is expected


def test_limits_of_overrides() -> None:
    """Those that are named hold in place of the others, and the longest and highest of all decide what is kept."""
    policy = compiled(OFFICE)

    assert [limit.text for limit in policy.exemptions[1].limits] == ["40 in 1d"]
    assert policy.exemptions[0].limits == policy.limits
    assert policy.longest_window_s == 7 * 86_400
    assert policy.enough == 40


def test_hard_kinds_weigh_the_lowest_limit() -> None:
    """As much as bans at once, or as much as a strike can weigh."""
    assert {compiled().weights[kind] for kind in HARD} == {500}
    assert compiled("[limits]\nwindows = ['1000 in 7d']").weights[Kind.DECOY] == MAX_HUNDREDTHS


@pytest.mark.parametrize(("offence", "length_s"), [(1, 900), (2, None), (3, None), (1000, None)])
def test_the_last_rung_is_for_all_that_follow(offence: int, length_s: int | None) -> None:
    """None is for ever."""
    assert ban_length_s(compiled("[ban]\nladder = ['15m', 'forever']").ladder, offence) == length_s


def test_ladders_of_overrides() -> None:
    """One that is named holds in place of the other, which holds for whoever has none."""
    policy = compiled("[[override]]\nladder = ['1h', 'forever']\n[[override]]\nfactor = 2")

    assert [exemption.ladder for exemption in policy.exemptions] == [(3600, None), policy.ladder]


@pytest.mark.parametrize(
    ("service", "fits"),
    [
        ("blocklistd 22", True),
        ("blocklistd 22 tcp", True),
        ("blocklistd 222", False),
        ("blocklistd 2", False),
        ("smtpd+", True),
        ("smtpd", False),
    ],
)
def test_a_number_is_whole(service: str, fits: bool) -> None:
    """A port is not the beginning of another one, and names are no patterns."""
    (exemption,) = compiled("[[override]]\nservices = ['blocklistd 22', 'smtpd+']").exemptions

    assert exemption.fits(parse_network("192.0.2.1"), service) is fits
