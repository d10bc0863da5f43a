# SPDX-License-Identifier: ISC
"""Why strikes weigh what they do, and why bans are not in the firewall: told of what the engine really did."""

from typing import Final

import pytest

from filter_ban.client import ClientKey, parse_network
from filter_ban.config import parse_config
from filter_ban.engine import Engine, Policy
from filter_ban.explanation import raised, why_in_band, why_weight
from filter_ban.model import Ban, Kind, Strike

BOT: Final = parse_network("192.0.2.66")
START_S: Final = 1_763_690_000
OVERRIDE: Final = '[[override]]\nnetworks = ["192.0.2.0/24"]\nfactor = 2\n'


def make_engine(config: str = "") -> Engine:
    """Return an engine that judges by *config*."""
    return Engine(Policy.compile(parse_config(config)))


def strike(engine: Engine, kind: Kind, user: str = "alice", secret: int = 0) -> str:
    """Let *engine* count a signal of the bot; return why it weighed what it did."""
    engine.strike(kind, BOT, START_S, user, user_tag=len(user), secret=secret)
    return why_weight(engine.outbox.strikes[-1], engine.policy)


USUAL: Final = {
    "failed login": (Kind.AUTH_FAIL, "", ""),
    "unknown user": (Kind.UNKNOWN_USER, "", ""),
    "relay attempt": (Kind.RELAY_ATTEMPT, "", ""),
    "no TLS": (Kind.NO_TLS, "", "alone no guess"),
    "decoy": (Kind.DECOY, "", "bans at once"),
    "trap": (Kind.AUTH_FAIL, 'users.traps = ["alice"]', "bans at once"),
    "override": (Kind.AUTH_FAIL, OVERRIDE, "x2 by an override"),
}


@pytest.mark.parametrize(("kind", "config", "why"), USUAL.values(), ids=USUAL.keys())
def test_usual_weights(kind: Kind, config: str, why: str) -> None:
    """A weight that is just that of its kind needs no words; one that is not has its reason."""
    assert strike(make_engine(config), kind) == why


def test_familiar_users_weigh_less() -> None:
    """A failure of a user who has logged in from there says so, under an override too."""
    for config, why in (("", ""), (OVERRIDE, ", x2 by an override")):
        engine = make_engine(config)
        engine.success(BOT, len("alice"), START_S - 100)
        assert strike(engine, Kind.AUTH_FAIL) == f"logs in from there{why}"
        assert strike(engine, Kind.BAD_HELO) == "somebody logs in from there"


def test_relapses_weigh_more() -> None:
    """A failure of a client that was banned before says so."""
    engine = make_engine()
    engine.ban(BOT, START_S - 7200, rule="5 in 10m", reason="", length_s=900)
    engine.expire(START_S)
    assert strike(engine, Kind.AUTH_FAIL) == "was banned before"
    assert engine.outbox.strikes[-1].weight == 5


def test_weights_of_another_configuration() -> None:
    """A weight that no rule of today gives is not explained by a wrong one."""
    policy = make_engine().policy
    assert why_weight(Strike(BOT, START_S, Kind.AUTH_FAIL, 3.5), policy) == "by other rules than today's"
    assert why_weight(Strike(BOT, START_S, Kind.NO_AUTH, 1), policy) == "by other rules than today's"


def besiege(engine: Engine) -> tuple[list[Ban], list[Strike]]:
    """Let twenty clients and then the bot fail one user; return the bot's bans and strikes, newest first."""
    clients = [ClientKey(bytes([10, number, 0, 1, 32])) for number in range(20)]
    for client in (*clients, BOT):
        engine.strike(Kind.AUTH_FAIL, client, START_S, "alice", user_tag=7)
    engine.resolve(START_S + 600)
    bans = [ban for ban in engine.outbox.bans if ban.client == BOT]
    return bans, [one for one in engine.outbox.strikes if one.client == BOT][::-1]


def test_what_a_siege_added() -> None:
    """The strikes that no event in the ledger accounts for are told, where failures under siege explain them."""
    engine = make_engine()
    (ban,), strikes = besiege(engine)
    assert (ban.strikes, sum(one.weight for one in strikes)) == (15, 1)
    assert raised(ban, strikes, engine.policy) == 14
    assert raised(ban, [], engine.policy) == 0
    others = [Strike(BOT, START_S, Kind.AUTH_ABORT, 1)]
    assert raised(ban, others, engine.policy) == 0


def test_nothing_added_without_a_siege() -> None:
    """A ban by the strikes in the ledger, however many came after or long before, has nothing added."""
    engine = make_engine()
    for number in range(5):
        engine.strike(Kind.AUTH_FAIL, BOT, START_S + number, "alice", user_tag=7, secret=10 + number)
    (ban,) = engine.outbox.bans
    old = Strike(BOT, START_S - 5000, Kind.AUTH_FAIL, 1)
    late = Strike(BOT, START_S + 60, Kind.DECOY, 5)
    assert raised(ban, [late, *engine.outbox.strikes[::-1], old], engine.policy) == 0
    by_hand = engine.ban(BOT, START_S + 99, rule="by hand", reason="", length_s=None)
    assert raised(by_hand, engine.outbox.strikes[::-1], engine.policy) == 0


SPARED: Final = {
    "meant for it": ({}, "", False, ""),
    "watch": ({}, 'mode = "watch"', False, "the mode is watch"),
    "refuse": ({"firewall": False}, 'mode = "refuse"', False, "the mode is refuse"),
    "widened": ({"firewall": False, "rule": "widened"}, "", False, "a network has innocents too"),
    "too wide": ({"firewall": False, "rule": "by hand"}, "", False, "wider than never.widest"),
    "person": ({"firewall": False}, "", True, "its first ban, and somebody logs in from there"),
    "program": ({"firewall": False, "offence": 2}, "", True, "it may be one program with an old password"),
    "either": (
        {"firewall": False},
        "",
        False,
        "somebody logs in from there, or it may be one program with an old password",
    ),
}


@pytest.mark.parametrize(("ban", "config", "known", "why"), SPARED.values(), ids=SPARED.keys())
def test_why_a_ban_is_in_the_dialogue_only(
    ban: dict[str, object], config: str, known: bool, why: str
) -> None:
    """A ban that the firewall is not told of has a reason; one that it is told of has none."""
    values = {"client": BOT, "start_s": START_S, "end_s": None, "rule": "5 in 10m", "reason": "", **ban}
    policy = Policy.compile(parse_config(config))
    assert why_in_band(Ban(**values), policy, has_firewall=True, known=known) == why  # type: ignore[arg-type]  # a table


def test_without_a_firewall() -> None:
    """Where no firewall is configured, that is the reason."""
    ban = Ban(client=BOT, start_s=START_S, end_s=None, rule="5 in 10m", reason="")
    assert (
        why_in_band(ban, make_engine().policy, has_firewall=False, known=False) == "no firewall is configured"
    )
