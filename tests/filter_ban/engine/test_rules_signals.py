# SPDX-License-Identifier: ISC
"""Signals that ban at once, and those that are evidence only beside others."""

import pytest

from filter_ban.model import Kind, Strike
from tests.filter_ban.engine.judging import BOT, DAY_S, HIDDEN, START_S, Court, key

USERS = '[users]\ndomains = ["example.org"]\ntraps = ["oldboss"]\n'


@pytest.mark.parametrize(
    ("kind", "user", "rule"),
    [
        (Kind.AUTH_FAIL, "anna@example.com", "foreign-domain"),
        (Kind.UNKNOWN_USER, "anna@example.com", "foreign-domain"),
        (Kind.AUTH_FAIL, "OldBoss@example.org", "trap-user"),
        (Kind.DECOY, "", "decoy"),
        (Kind.REPORTED, "", "reported"),
    ],
)
def test_hard_strikes_ban_at_once(kind: Kind, user: str, rule: str) -> None:
    """Each with a rule and a reason of its own, and in the firewall."""
    (ban,) = Court(USERS).see(kind, 0, user=user)

    assert (ban.rule, ban.firewall, ban.start_s) == (rule, True, START_S)
    assert ban.reason


@pytest.mark.parametrize("user", ["anna@example.com", "oldboss@example.org"])
def test_at_a_known_client_a_strange_name_is_mistyped(user: str) -> None:
    """It is a failed login for a user that does not exist, where somebody has logged in."""
    court = Court(USERS)
    court.log_in(0, user="anna@example.org")

    assert court.fail(10, user=user) == []
    assert court.strikes(10) == 2.0


def test_nobody_has_business_at_the_decoy() -> None:
    """Not even a known client, whose first ban is in the dialogue only."""
    court = Court()
    court.log_in(0)

    assert [ban.firewall for ban in court.see(Kind.DECOY, 10)] == [False]


def test_a_hard_strike_during_a_ban_is_recorded_and_no_offence() -> None:
    """The ban goes on as it was."""
    court = Court()
    court.fail_often(5)

    assert court.see(Kind.DECOY, 10) == []
    assert court.strikes(10) == 10.0


def test_an_ordinary_failure_during_a_ban_counts_nothing() -> None:
    """It was past refusing when the ban fell."""
    court = Court()
    court.fail_often(7)

    assert court.strikes(10) == 5.0


def test_no_tls_alone_is_a_probe() -> None:
    """It is recorded with weight 0 however often it comes."""
    court = Court()
    for at_s in range(0, DAY_S, 300):
        assert court.see(Kind.NO_TLS, at_s) == []

    assert {strike.weight for strike in court.engine.outbox.strikes} == {0.0}
    assert len(court.engine) == 0


def test_no_tls_beside_guesses_counts() -> None:
    """Then it tells of the same program."""
    court = Court()
    court.fail_often(3)

    assert court.see(Kind.NO_TLS, 10) == []
    assert [ban.strikes for ban in court.see(Kind.NO_TLS, 20)] == [5.0]


def test_what_counted_nothing_is_nothing_after_a_restart() -> None:
    """A probe that the ledger remembers is as innocent as before."""
    court = Court()
    court.engine.restore_strikes([Strike(key(BOT), START_S - 300, Kind.NO_TLS, 0.0)])
    for at_s in range(0, DAY_S, 300):
        assert court.see(Kind.NO_TLS, at_s) == []


@pytest.mark.parametrize(("is_known", "weights"), [(False, [2.0, 2.0, 2.0]), (True, [0.0] * 3)])
def test_a_bad_helo_of_a_known_client_is_a_strange_program(is_known: bool, weights: list[float]) -> None:
    """Elsewhere three of them ban."""
    court = Court()
    if is_known:
        court.log_in(0)
    bans = [ban for at_s in (1, 2, 3) for ban in court.see(Kind.BAD_HELO, at_s)]

    assert [strike.weight for strike in court.engine.outbox.strikes] == weights
    assert len(bans) == (0 if is_known else 1)


def test_an_unknown_user_weighs_two() -> None:
    """Three of them ban."""
    court = Court()
    bans = [court.see(Kind.UNKNOWN_USER, at_s, user=f"user{at_s}") for at_s in range(3)]

    assert [len(each) for each in bans] == [0, 0, 1]


@pytest.mark.parametrize("kind", [Kind.AUTH_ABORT, Kind.RELAY_ATTEMPT])
def test_other_signals_weigh_one(kind: Kind) -> None:
    """Five of them ban, for no user."""
    court = Court()

    assert [len(court.see(kind, at_s)) for at_s in range(5)] == [0, 0, 0, 0, 1]


def test_leaving_without_a_login_weighs_nothing() -> None:
    """It is not even recorded."""
    court = Court()
    court.see(Kind.NO_AUTH, 0)

    assert court.engine.outbox.strikes == []


def test_strikes_during_restoring_are_judged() -> None:
    """Four that were counted since the start and one from before it are five."""
    court = Court()
    court.fail_often(4)
    court.engine.restore_strikes([Strike(key(BOT), START_S - 30, Kind.AUTH_FAIL, 1.0, "bert", 9)])

    assert [(ban.start_s, ban.strikes) for ban in court.bans()] == [(START_S + 3, 5.0)]


def test_restored_strikes_alone_are_not_judged() -> None:
    """They have been, before the restart; what a lift took back is not banned anew."""
    court = Court()
    court.engine.restore_strikes(
        Strike(key(BOT), START_S - number, Kind.AUTH_FAIL, 1.0, "bert", 9) for number in range(6)
    )

    assert court.bans() == []


@pytest.mark.parametrize(
    "config",
    [
        "[weights]\nauth_fail = 100\n[[override]]\nfactor = 100",
        "[weights]\nauth_fail = 100\n[limits]\nrelapse = 100\n[ban]\nladder = [1]",
    ],
)
def test_no_configuration_is_too_heavy(config: str) -> None:
    """Factors that multiply have their bound at what a strike can weigh."""
    court = Court(config)
    bans = court.fail(0) + court.fail(10)

    assert bans
    assert max(strike.weight for strike in court.engine.outbox.strikes) == 655.35


def test_an_ended_ban_hides_no_wider_one() -> None:
    """A client is under the ban of its network when its own is over, taken out or not."""
    court = Court()
    court.engine.ban(key("192.0.2.0/24"), START_S, rule="by hand", reason="", length_s=DAY_S)
    court.engine.ban(key(BOT), START_S, rule="by hand", reason="", length_s=60)

    assert court.engine.is_banned(key(BOT), START_S + 100)
    assert not court.engine.is_banned(key(BOT), START_S + DAY_S)
    court.fail(100, secret=HIDDEN)
    assert court.strikes(100) == 0
