# SPDX-License-Identifier: ISC
"""Who is spared because somebody has logged in there, and that this is worth nothing to an attacker."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filter_ban.model import Kind
from tests.filter_ban.engine.judging import ANOTHER, BOT, DAY_S, HIDDEN, Court


def test_a_failure_of_a_familiar_user_weighs_a_fifth() -> None:
    """Twenty-four mistyped passwords do nothing; for another user at the same client a failure weighs whole."""
    court = Court()
    court.log_in(0)

    assert court.fail_often(24, 10) == []
    assert court.strikes(100) == pytest.approx(4.8)
    court.fail(100, user="bert")
    assert court.strikes(100) == pytest.approx(5.8)


@pytest.mark.parametrize(("at_s", "strikes"), [(30 * DAY_S - 1, 0.2), (30 * DAY_S, 1.0)])
def test_a_user_is_familiar_for_a_while(at_s: int, strikes: float) -> None:
    """A login is forgotten after 30 days."""
    court = Court()
    court.log_in(0)
    court.fail(at_s)

    assert court.strikes(at_s) == strikes


def test_a_login_takes_back_what_its_user_failed() -> None:
    """And not what others did."""
    court = Court()
    court.fail_often(3)
    court.fail(5, user="bert")
    court.log_in(10)

    assert court.strikes(10) == 1.0


@pytest.mark.parametrize(
    ("logged_in", "strikes"),
    [((), 4.0), (("bert",), 4.0), (("bert", "carl"), 1.0), (("anna",), 0.2)],
)
def test_a_hidden_secret_may_be_the_same_again(logged_in: tuple[str, ...], strikes: float) -> None:
    """At a leisurely pace it is, where that user or more than one has logged in; the first failure counts."""
    court = Court()
    for user in logged_in:
        court.log_in(0, user=user)

    court.fail_often(4, 60, 60, secret=HIDDEN)

    assert court.strikes(300) == strikes


def test_in_haste_hidden_secrets_are_different_ones() -> None:
    """Tries that follow each other within the pace are counted."""
    court = Court()
    for user in ("bert", "carl"):
        court.log_in(0, user=user)

    court.fail_often(4, 60, 1, secret=HIDDEN)

    assert court.strikes(100) == 4.0


@pytest.mark.parametrize("logged_in", [("anna",), ("bert", "carl")])
def test_a_slow_start_is_no_licence_for_haste(logged_in: tuple[str, ...]) -> None:
    """The pace is from try to try, whether or not they counted."""
    court = Court()
    for user in logged_in:
        court.log_in(0, user=user)
    court.fail_often(3, 10, 100, secret=HIDDEN)

    assert len(court.fail_often(60, 300, secret=HIDDEN)) == 1


def test_a_day_later_it_is_another_try() -> None:
    """A failure is not the same again for ever."""
    court = Court()
    court.log_in(0)
    court.fail_often(2, 60, DAY_S, secret=HIDDEN)

    assert court.strikes(2 * DAY_S) == pytest.approx(0.4)


def test_a_relapse_weighs_five() -> None:
    """A stranger who was banned lately is banned for longer at the next failure, until that is forgotten."""
    court = Court()
    (first,) = court.fail_often(5)
    (second,) = court.fail(1000)

    assert (first.offence, second.offence, second.strikes) == (1, 2, 5.0)
    assert second.rule == "5 in 10m"
    assert court.fail(40 * DAY_S) == []


def test_a_familiar_user_has_no_relapse() -> None:
    """Who has logged in from there may mistype after a ban of somebody else."""
    court = Court()
    court.log_in(0)
    court.fail_often(5, 10, user="bert")
    court.fail(8 * DAY_S)

    assert court.strikes(8 * DAY_S) == 0.2


def test_an_old_password_is_no_relapse() -> None:
    """What may be one program that goes on with its hidden secret after the ban weighs what it did before."""
    court = Court()
    court.fail_often(5, 0, 100, secret=HIDDEN)
    court.fail(400 + 901, secret=HIDDEN)

    assert court.strikes(1301) == 6.0


def test_the_first_ban_of_a_known_client_is_in_the_dialogue_only() -> None:
    """The reason can be read there; the second one is for the firewall too."""
    court = Court()
    court.log_in(0, user="bert")
    (first,) = court.fail_often(5, 10)
    (second,) = court.fail(1000)

    assert (first.firewall, second.firewall) == (False, True)


def test_a_strangers_ban_is_for_the_firewall() -> None:
    """From the first one on."""
    assert [ban.firewall for ban in Court().fail_often(5)] == [True]


@pytest.mark.parametrize(
    ("every_s", "secret", "in_firewall"),
    [(60, HIDDEN, False), (59, HIDDEN, True), (60, ANOTHER, True)],
)
def test_one_program_is_banned_in_the_dialogue_only(
    every_s: float, secret: int | None, in_firewall: bool
) -> None:
    """One user at a leisurely pace may be one old password, where nobody sees the passwords."""
    (ban,) = Court().fail_often(5, 0, every_s, secret=secret)

    assert ban.firewall is in_firewall


def guesses(names: list[str], kind: Kind, secret: int | None, pace_s: float, own: str) -> int:
    """Guess for three days, each time after a login with one's *own* account if there is one; count what gets through."""
    court, checked, at_s, number = Court(), 0, 10.0, 0
    while at_s < 3 * DAY_S and number < 3000:
        court.resolve(at_s)
        if own and not court.is_refused(at_s - 1):
            court.log_in(at_s - 1, user=own)
        if not court.is_refused(at_s):
            checked += 1
            court.see(kind, at_s, BOT, names[number % len(names)], secret)
        at_s += pace_s
        number += 1
    return checked


@settings(max_examples=40)
@given(
    st.integers(1, 40),
    st.sampled_from([Kind.AUTH_FAIL, Kind.UNKNOWN_USER]),
    st.sampled_from([HIDDEN, ANOTHER, 4711]),
    st.sampled_from([2.0, 30.0, 60.0, 119.0, 180.0, 700.0, 3600.0, 9000.0, 30_000.0]),
)
def test_one_valid_account_gains_two_guesses_at_most(
    count: int, kind: Kind, secret: int | None, pace_s: float
) -> None:
    """Whatever is guessed and however the sensor sees it: an account of one's own buys nothing."""
    names = [f"user{number}" for number in range(count)]
    without = guesses(names, kind, secret, pace_s, "")
    with_one = guesses(names, kind, secret, pace_s, "bought")

    assert with_one <= without + 2
