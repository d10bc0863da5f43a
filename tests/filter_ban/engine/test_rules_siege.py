# SPDX-License-Identifier: ISC
"""One user name that many clients fail to log in as."""

import itertools
from typing import Any

import pytest

from filter_ban.model import Ban, Kind
from tests.filter_ban.engine.judging import BOT, DAY_S, START_S, Court, key

PATIENCE_S = 600
SMALL = "[siege]\nclients = 3\n"


def besiege(court: Court, clients: int = 19, every_s: float = 60) -> float:
    """Fail once from each of so many addresses; return when the last one was."""
    for number in range(clients):
        assert court.fail(number * every_s, f"198.51.{number}.7") == []
    return (clients - 1) * every_s


def test_the_twentieth_stranger_is_banned_when_no_login_follows() -> None:
    """Ten minutes after its one failure, which weighs fifteen then."""
    court = Court()
    at_s = besiege(court) + 60

    assert court.fail(at_s) == []
    assert court.resolve(at_s + PATIENCE_S - 1) == []
    (ban,) = court.resolve(at_s + PATIENCE_S)
    assert (ban.start_s, ban.strikes, ban.firewall) == (START_S + at_s + PATIENCE_S, 15.0, True)
    assert court.resolve(at_s + 9999) == []


def test_those_before_are_left_alone() -> None:
    """Nineteen are no siege, and when it has begun they are not judged anew."""
    court = Court()
    court.fail(besiege(court) + 60)

    assert [ban.client[:2] for ban in court.resolve(DAY_S)] == [b"\xc0\x00"]


def test_a_login_in_time_resolves() -> None:
    """A person who mistypes at a new place during a siege has ten minutes."""
    court = Court()
    at_s = besiege(court) + 60
    court.fail(at_s)
    court.log_in(at_s + PATIENCE_S - 1)

    assert court.resolve(at_s + DAY_S) == []
    assert court.strikes(at_s + PATIENCE_S) == 0


def test_a_login_too_late_does_not() -> None:
    """It comes from a banned client."""
    court = Court()
    at_s = besiege(court) + 60
    court.fail(at_s)

    assert len(court.log_in(at_s + PATIENCE_S)) == 1
    assert court.strikes(at_s + PATIENCE_S) == 15.0


def test_the_login_of_another_user_resolves_nothing() -> None:
    """An account of one's own is no excuse."""
    court = Court()
    at_s = besiege(court) + 60
    court.fail(at_s)
    court.log_in(at_s + 1, user="bought")

    assert [ban.firewall for ban in court.resolve(at_s + PATIENCE_S)] == [False]


def test_a_familiar_user_is_no_stranger() -> None:
    """Where the besieged user has logged in from, a failure is a slip."""
    court = Court()
    court.log_in(0)
    at_s = besiege(court) + 60
    court.fail(at_s)

    assert court.resolve(at_s + PATIENCE_S) == []
    assert court.strikes(at_s) == 0.2


@pytest.mark.parametrize("kind", [Kind.UNKNOWN_USER, Kind.AUTH_FAIL])
def test_only_users_that_may_exist_are_besieged(kind: Kind) -> None:
    """A name that nobody has needs no protection."""
    court = Court(SMALL)
    for number in range(3):
        court.see(kind, number, f"198.51.{number}.7", "anna")

    assert court.engine.besieged == (kind is Kind.AUTH_FAIL)


def test_what_was_weighed_up_counts_for_the_next_one() -> None:
    """The second failure of the same client in a siege is a relapse, and finds it banned for longer."""
    court = Court(SMALL)
    at_s = besiege(court, 2) + 60
    court.fail(at_s)
    court.resolve(at_s + PATIENCE_S)
    (second,) = court.fail(at_s + PATIENCE_S + 901)

    assert second.offence == 2


def story(court: Court) -> list[Ban]:
    """Tell a story in which sieges are resolved, forgiven and overtaken by bans."""
    bans: list[Ban] = []
    for number, name in itertools.product(range(8), ("anna", "bert")):
        address, at_s = f"198.51.{number % 5}.7", number * 250 + (name == "bert") * 100
        bans += court.fail(at_s, address, name)
        if number == 4:
            bans += court.log_in(at_s + 1, address, name)
    bans += court.fail_often(5, 3000)
    return bans + court.resolve(9000)


class Ticking(Court):
    """Looks every second whether something is due, and takes out what is over."""

    now_s = 0

    def see(self, kind: Kind, at_s: float, *rest: Any, **named: Any) -> list[Ban]:
        """Let the time until the signal pass, and feed it."""
        bans = [ban for now_s in range(self.now_s, int(at_s)) for ban in self.resolve(now_s)]
        self.now_s = int(at_s)
        self.engine.expire(START_S + at_s)
        return bans + super().see(kind, at_s, *rest, **named)


def test_it_does_not_matter_who_asks_and_when() -> None:
    """Resolving every second and resolving only at the next signal give the same bans."""
    bans = story(Court(SMALL))

    assert bans == story(Ticking(SMALL))
    assert len(bans) > 3


def test_sieges_can_be_turned_off() -> None:
    """0 clients are never one."""
    court = Court("[siege]\nclients = 0")
    besiege(court, 60)
    court.fail(5000, BOT)

    assert court.resolve(DAY_S) == []


def test_what_weighs_more_is_told() -> None:
    """Once, and only if it does."""
    court = Court(SMALL)
    at_s = besiege(court, 2) + 60
    court.fail(at_s)
    court.resolve(at_s + PATIENCE_S)
    light = Court(SMALL + "unresolved = 1")
    besiege(light, 2)
    light.fail(at_s)
    light.resolve(at_s + PATIENCE_S)

    (told,) = court.engine.outbox.reweighed
    assert (told.client, told.time_s, told.weight) == (key(BOT), START_S + at_s, 15.0)
    assert light.engine.outbox.reweighed == []
