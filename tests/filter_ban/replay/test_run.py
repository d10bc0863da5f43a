# SPDX-License-Identifier: ISC
"""What a replay finds."""

import math
from collections.abc import Iterable

import pytest

from filter_ban.client import key_text
from filter_ban.config import parse_config
from filter_ban.model import Kind
from filter_ban.replay.run import Replay
from filter_ban.signals import Signal

START_S = 1_763_690_000
CONFIG = """\
[limits]
windows = ["3 in 10m"]
relapse = 1
[guard]
familiar = 1
[ban]
ladder = ["10m", "1h"]
"""
FAIL = Kind.AUTH_FAIL
PASS = Kind.AUTH_PASS


def replayed(
    signals: Iterable[tuple[float, Kind]], config: str = CONFIG, address: str = "192.0.2.7"
) -> Replay:
    """Return a replay of *signals*."""
    replay = Replay(parse_config(config, "test"))
    for second, kind in signals:
        replay.take(Signal(START_S + second, kind, address, "smtp", "alice", 7))
    return replay


GUESSES = [(float(second), FAIL) for second in range(5)]  # the third one bans until second 602


def test_ban() -> None:
    """Who would have been banned, when, why, and how many guesses that would have stopped."""
    replay = replayed([*GUESSES, (600, FAIL), (601, Kind.NO_TLS)])
    (case,) = replay.cases
    assert (key_text(case.ban.client), case.ban.start_s, case.ban.rule) == (
        "192.0.2.7",
        START_S + 2,
        "3 in 10m",
    )
    assert (replay.guesses, case.stopped) == (6, 3)


def test_expiry() -> None:
    """Bans end by the time of events, and the next one is longer."""
    replay = replayed([*GUESSES, (602, FAIL), (603, FAIL), (604, FAIL), (5000, FAIL)])
    assert [(case.ban.offence, case.ban.start_s - START_S) for case in replay.cases] == [(1, 2), (2, 604)]
    assert replay.engine.bans == {}


@pytest.mark.parametrize(
    ("config", "firewall"),
    [
        ('[firewall]\nbackend = "pf"', True),
        ('mode = "refuse"\n[firewall]\nbackend = "pf"', False),
        ("", False),
    ],
)
def test_where(config: str, firewall: bool) -> None:
    """Guesses are stopped by the firewall where there is one, else in the dialogue."""
    mode, _, rest = config.partition("\n") if config.startswith("mode") else ("", "", config)
    replay = replayed(GUESSES, f"{mode}\n{CONFIG}{rest}")
    assert replay.stopped(firewall=firewall) == 2
    assert replay.stopped(firewall=not firewall) == 0


def test_watch_mode() -> None:
    """Mode watch finds what the bans that it only logs would have stopped."""
    assert replayed(GUESSES, f'mode = "watch"\n{CONFIG}').stopped(firewall=False) == 2


def test_innocent() -> None:
    """A banned client that logs in is told: when, how often it was refused, and for how long it had no mail."""
    replay = replayed([(-9, PASS), (-8, PASS), *GUESSES, (102, PASS), (202, PASS), (700, PASS)])
    (innocent,) = replay.innocents.values()
    assert (innocent.before, innocent.refused, innocent.later) == (2, 2, 1)
    assert (innocent.login_s, innocent.lost_s) == (START_S + 102, 500)
    assert innocent.user == "alice"


def test_each_ban_is_lost_time() -> None:
    """The time that each ban cost is added up."""
    again = [(1000.0 + second, FAIL) for second in range(3)]  # until second 4602
    replay = replayed([*GUESSES, (502, PASS), *again, (4502, PASS), (4503, PASS)])
    (innocent,) = replay.innocents.values()
    assert (innocent.refused, innocent.lost_s) == (3, 100 + 100)


def test_ban_for_ever() -> None:
    """Who is banned for ever loses everything."""
    replay = replayed([*GUESSES, (102, PASS)], CONFIG.replace('"10m", "1h"', '"forever"'))
    (innocent,) = replay.innocents.values()
    assert innocent.lost_s == math.inf


def test_login_before_the_ban() -> None:
    """A client that only logged in before its ban is not told of."""
    assert replayed([(-9, PASS), *GUESSES]).innocents == {}


@pytest.mark.parametrize(
    ("address", "exempt"), [("127.0.0.1", 5), ("::1", 5), ("local", 5), ("192.0.2.7", 0)]
)
def test_exempt(address: str, exempt: int) -> None:
    """Loopback and what is no address are never counted."""
    replay = replayed(GUESSES, address=address)
    assert replay.exempt == exempt
    assert bool(replay.cases) is not bool(exempt)
