# SPDX-License-Identifier: ISC
"""Networks whose members guess are banned whole, and who belongs there is spared."""

import pytest

from filter_ban.client import key_text
from filter_ban.model import Ban
from tests.filter_ban.engine.judging import DAY_S, START_S, Court

HOURS_2 = 7200


def hop(court: Court, addresses: list[str], every_s: float = 60, begins_s: float = 0) -> list[Ban]:
    """Fail from one address after the other, each time for another user."""
    return [
        ban
        for number, address in enumerate(addresses)
        for ban in court.fail(begins_s + number * every_s, address, f"user{number}")
    ]


def ipv6(count: int, step: int = 0x100) -> list[str]:
    """Return addresses in /64 networks that are *step* apart, in one /48."""
    return [f"2001:db8:1:{number * step:x}::7" for number in range(count)]


def ipv4(members: int, rounds: int, network: str = "198.51.100") -> list[str]:
    """Return the addresses of some members of a /24, in turn."""
    return [f"{network}.{member + 10}" for _ in range(rounds) for member in range(members)]


def test_hopping_inside_a_64_is_one_client() -> None:
    """Five failures ban it."""
    (ban,) = hop(Court(), [f"2001:db8::{number}" for number in range(5)])

    assert key_text(ban.client) == "2001:db8::/64"


def test_hopping_inside_a_48() -> None:
    """Twenty failures ban the /48 for two hours, in the dialogue only."""
    court = Court()
    (ban,) = hop(court, ipv6(20))

    assert (key_text(ban.client), ban.rule, ban.firewall) == ("2001:db8:1::/48", "widened", False)
    assert (ban.end_s or 0) - ban.start_s == HOURS_2
    assert court.is_refused(1200, "2001:db8:1:ffff::1")
    assert not court.is_refused(1200, "2001:db8:2::1")


def test_hopping_inside_a_56() -> None:
    """The narrowest network that is guilty is banned, and no wider one for the same failures."""
    (ban,) = hop(Court(), ipv6(20, 1))

    assert key_text(ban.client) == "2001:db8:1::/56"


@pytest.mark.parametrize(
    ("config", "addresses"),
    [
        ("[never]\nwidest = { ipv6 = 49 }", ipv6(60)),
        ("[never]\nwidest = { ipv6 = 57 }", ipv6(60, 1)),
        ("[never]\nwidest = { ipv4 = 25 }", ipv4(30, 3)),
        ("[widen]\nmembers = 0", ipv6(60)),
    ],
)
def test_never_wider_than_allowed(config: str, addresses: list[str]) -> None:
    """However much a network guesses."""
    assert hop(Court(config), addresses) == []


def test_hopping_inside_a_24() -> None:
    """Second failures count there; twenty of them ban it."""
    court = Court()

    assert hop(court, ipv4(20, 2)[:-1], every_s=400) == []
    (ban,) = hop(court, ipv4(20, 1)[-1:], begins_s=17_000)
    assert (key_text(ban.client), ban.rule) == ("198.51.100.0/24", "widened")


def test_one_failure_each_is_what_people_do() -> None:
    """A whole /24 of them is nothing."""
    assert hop(Court(), ipv4(240, 1)) == []


def test_few_members_are_banned_by_themselves() -> None:
    """Four clients are no network, whatever they fail."""
    bans = hop(Court(), ipv6(4) * 15)

    assert {key_text(ban.client)[-3:] for ban in bans} == {"/64"}


def test_known_clients_are_spared() -> None:
    """Where somebody has logged in and nobody guesses, the neighbours' guessing is no reason; strangers are refused."""
    court = Court()
    home = "2001:db8:1:ffff::1"
    court.log_in(0, home)
    hop(court, ipv6(20), begins_s=10)

    assert not court.is_refused(2000, home)
    assert court.is_refused(2000, "2001:db8:1:fffe::1")
    court.fail_often(1, 2000, address=home, user="bert")
    assert court.is_refused(2010, home)


def test_a_known_client_is_spared_of_no_ban_by_hand() -> None:
    """Not even if that is wider than the one that it is spared of."""
    court = Court()
    home = "2001:db8:1:ffff::1"
    court.log_in(0, home)
    (ban,) = hop(court, ipv6(20), begins_s=10)
    wide = ban.client[:4] + bytes(12) + b"\x20"
    court.engine.ban(type(ban.client)(wide), START_S, rule="by hand", reason="", length_s=None)

    assert court.is_refused(2000, home)


def test_who_logs_in_is_forgiven() -> None:
    """What a user failed at a client before the login counts for no network."""
    court = Court()
    for number, address in enumerate(ipv6(40)):
        assert court.fail(number * 60, address, f"user{number}") == []
        assert court.log_in(number * 60 + 10, address, f"user{number}") == []


def test_failures_of_familiar_users_count_for_no_network() -> None:
    """Its people mistype."""
    court = Court()
    for number, address in enumerate(ipv6(60)):
        court.log_in(number * 60, address, f"user{number}")
        assert court.fail(number * 60 + 10, address, f"user{number}") == []


def test_the_next_ban_is_an_offence_more() -> None:
    """A network that goes on is banned again, whether or not anybody has taken out the ban that is over."""
    court = Court()
    hop(court, ipv6(20))
    (ban,) = hop(court, ipv6(1), begins_s=1200 + HOURS_2)

    assert ban.offence == 2


def test_slow_failures_are_forgotten() -> None:
    """Twenty must come within a day."""
    assert hop(Court(), ipv6(60), every_s=DAY_S / 19 + 1) == []
