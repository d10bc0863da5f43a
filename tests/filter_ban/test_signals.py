# SPDX-License-Identifier: ISC
"""Signals, and the fold over them: the same bans however it is cut, and from a recording as live."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.clients import Clients
from filter_ban.config import Config, parse_config
from filter_ban.engine import Engine, Policy
from filter_ban.model import Ban, Kind
from filter_ban.recording import Encoder
from filter_ban.replay.record import RecordReader
from filter_ban.replay.run import Replay
from filter_ban.signals import Signal, feed
from filter_ban.tags import UserTags

CONFIG = parse_config(
    '[limits]\nwindows = ["3 in 10m", "5 in 1h"]\n[ban]\nladder = ["10m", "1h"]\n'
    '[never]\nnetworks = ["192.0.2.99"]\n',
    "test",
)
START_S = 1_763_690_000
ALICE = 7


class Judge:
    """An engine and what feeds it."""

    def __init__(self, config: Config = CONFIG) -> None:
        policy = Policy.compile(config)
        self.engine = Engine(policy)
        self.clients = Clients(policy)

    def feed(self, *signals: Signal) -> list[Ban | None]:
        """Feed *signals*."""
        return [feed(self.engine, self.clients, signal) for signal in signals]


def fail(second: float, address: str = "192.0.2.7", tag: int = ALICE) -> Signal:
    """Return a failed login."""
    return Signal(START_S + second, Kind.AUTH_FAIL, address, "smtp", "alice", tag)


def login(second: float, tag: int = ALICE) -> Signal:
    """Return a login."""
    return Signal(START_S + second, Kind.AUTH_PASS, "192.0.2.7", "smtp", "alice", tag)


def test_failures_ban() -> None:
    """Failures are counted, and a limit that they reach is a ban."""
    judge = Judge()
    assert judge.feed(fail(0), fail(1), fail(2)) == [None] * 3
    assert [ban.start_s for ban in judge.engine.bans.values()] == [START_S + 2]


@pytest.mark.parametrize(("tag", "banned"), [(ALICE, False), (8, True), (0, True)])
def test_login(tag: int, banned: bool) -> None:
    """A login takes back the strikes of its user; nobody's where the log does not say whose it was."""
    judge = Judge()
    judge.feed(fail(0), fail(1), login(2, tag), fail(3))
    assert bool(judge.engine.bans) is banned


@pytest.mark.parametrize("signal", [fail(3), login(3)], ids=["failure", "login"])
def test_under_a_ban(signal: Signal) -> None:
    """What comes from a banned client counts nothing, earns nothing, and is told."""
    judge = Judge()
    judge.feed(fail(0), fail(1), fail(2))
    before = judge.engine.outbox.strikes.copy()
    (ban,) = judge.feed(signal)
    assert [ban] == list(judge.engine.bans.values())
    assert judge.engine.outbox.strikes == before
    assert judge.engine.outbox.forgiven == []


def test_after_a_ban() -> None:
    """A ban is over by the time of the signal, whether or not the engine was asked to expire."""
    judge = Judge()
    judge.feed(fail(0), fail(1), fail(2))
    assert judge.feed(fail(601.9), fail(602)) == [*judge.engine.bans.values(), None]


@pytest.mark.parametrize("address", ["192.0.2.99", "local", "", "unknown"])
def test_never_counted(address: str) -> None:
    """Who is never counted, or has no address, is left out."""
    judge = Judge()
    assert judge.feed(*(fail(second, address) for second in range(9))) == [None] * 9
    assert len(judge.engine) == 0


KINDS = (Kind.AUTH_FAIL, Kind.UNKNOWN_USER, Kind.AUTH_ABORT, Kind.AUTH_PASS, Kind.NO_TLS)
USERS = ("", "alice@example.org", "Alice@Example.ORG", "bob", "päule", "x@not a domain", "\ud800")
USER_TAGS = UserTags(b"the ledger's")
drafts = st.tuples(
    st.sampled_from([0.0, 0.25, 30.5, 400.0]),  # since the signal before
    st.sampled_from(KINDS),
    st.sampled_from(["192.0.2.7", "192.0.2.8", "[2001:db8::1]", "2001:db8::2", "192.0.2.99"]),
    st.sampled_from(USERS),
    st.sampled_from([0, 3, 4711, 0xFFFF_FFFF]),
)


def make_signals(content: Iterable[tuple[float, Kind, str, str, int]]) -> list[Signal]:
    """Return signals in the order of time."""
    time_s = START_S + 0.1
    signals = []
    for pause_s, kind, address, user, secret in content:
        time_s += pause_s
        signals.append(Signal(time_s, kind, address, "smtp", user, USER_TAGS.of(user), secret))
    return signals


@given(st.lists(drafts, max_size=40), st.lists(st.integers(0, 40), max_size=10))
def test_chunks(content: list[tuple[float, Kind, str, str, int]], cuts: list[int]) -> None:
    """The same signals give the same bans, whenever the outbox is emptied and bans are expired between them."""
    signals = make_signals(content)
    whole, cut = Judge(), Judge()
    whole.feed(*signals)
    bans = []
    for number, signal in enumerate(signals):
        if number in cuts:
            cut.engine.expire(signal.time_s)
            bans += cut.engine.outbox.bans
            cut.engine.outbox.bans = []
        cut.feed(signal)
    assert bans + cut.engine.outbox.bans == whole.engine.outbox.bans


@given(st.lists(drafts, max_size=40))
def test_live_and_replayed(content: list[tuple[float, Kind, str, str, int]]) -> None:
    """A recording of signals gives the same bans as the signals themselves, references included."""
    signals = make_signals(content)
    live = Judge()
    live.feed(*signals)
    encoder, reader, replay = Encoder(b"key"), RecordReader(), Replay(CONFIG)
    for signal in signals:
        recorded = reader.read(encoder.encode(signal).decode())
        assert recorded is not None
        replay.take(recorded)
    assert [case.ban for case in replay.cases] == live.engine.outbox.bans
