# SPDX-License-Identifier: ISC
"""What all sensors do with what they saw: count, tell the engine, record, and sound the alarm."""

import os
from pathlib import Path

import attrs
import pytest

from filter_ban.client import NOBODY, ClientKey, parse_network
from filter_ban.clients import Clients
from filter_ban.config import parse_config
from filter_ban.engine import Engine, Policy
from filter_ban.engine.history import NO_SECRET
from filter_ban.model import Kind
from filter_ban.recording import Encoder, Recorder
from filter_ban.sensors.sensor import MAX_USER, Means, Sensor
from filter_ban.signals import Signal
from filter_ban.tags import SecretTags, UserTags
from filter_ban.verdicts import Verdicts

NOW_S = 1_763_690_000.0
BOT = parse_network("198.51.100.66")
NETWORK = parse_network("2001:db8::/64")
SECRET = 4711


class Recording(Recorder):
    """A recorder that keeps what it gets, and writes nothing."""

    def __init__(self) -> None:
        super().__init__(Path(os.devnull), Encoder(b"0123456789abcdef"))
        self.signals: list[Signal] = []

    def record(self, signal: Signal) -> None:
        """Keep *signal*."""
        self.signals.append(signal)


class Rig:
    """A sensor with an engine and a recorder of its own."""

    def __init__(self, settings: str = "", *, records: bool = True) -> None:
        config = parse_config(settings)
        policy = Policy.compile(config)
        self.now_s = NOW_S
        self.engine = Engine(policy)
        self.users = UserTags(b"0123456789abcdef")
        self.recording = Recording()
        self.sensor = Sensor(
            Means(
                engine=self.engine,
                clients=Clients(policy),
                verdicts=Verdicts(self.engine, config.reply.banned),
                users=self.users,
                secrets=SecretTags(),
                clock=lambda: self.now_s,
                recorder=self.recording if records else None,
            ),
        )

    def ban(self, client: ClientKey = BOT) -> None:
        """Ban a client by hand."""
        self.engine.ban(client, int(self.now_s), rule="by hand", reason="a test", length_s=900)


@pytest.mark.parametrize(("client", "address"), [(BOT, "198.51.100.66"), (NETWORK, "2001:db8::")])
def test_a_strike_is_told_and_recorded(client: ClientKey, address: str) -> None:
    """Engine and recorder get the same: time, address, service, user and tags."""
    rig = Rig()
    rig.sensor.strike(Kind.AUTH_FAIL, client, user="Alice", secret=SECRET, service="dovecot imap")

    tag = rig.users.of("alice")
    (strike,) = rig.engine.outbox.strikes
    assert (strike.client, strike.time_s, strike.user_tag, strike.service) == (
        client,
        NOW_S,
        tag,
        "dovecot imap",
    )
    assert rig.recording.signals == [
        Signal(NOW_S, Kind.AUTH_FAIL, address, "dovecot imap", "Alice", tag, SECRET)
    ]


def test_every_signal_is_recorded() -> None:
    """Also what weighs nothing, what is tried again, and what a banned client does: a replay judges by itself."""
    rig = Rig("[weights]\nno_auth = 0")
    rig.sensor.strike(Kind.NO_AUTH, BOT)
    for _ in range(2):
        rig.sensor.strike(Kind.AUTH_FAIL, BOT, user="alice", secret=SECRET)
    rig.ban()
    rig.sensor.strike(Kind.AUTH_ABORT, BOT)
    rig.sensor.credit(BOT, "alice")

    kinds = [signal.kind for signal in rig.recording.signals]
    assert kinds == [Kind.NO_AUTH, Kind.AUTH_FAIL, Kind.AUTH_FAIL, Kind.AUTH_ABORT, Kind.AUTH_PASS]
    assert len(rig.engine.outbox.strikes) == 1
    assert rig.sensor.counts == {
        "no-auth": 1,
        "auth-fail": 2,
        "auth-abort": 1,
        "auth-pass": 1,
        "auth-pass-banned": 1,
    }


def test_a_login_is_credited_and_recorded() -> None:
    """It takes the user's strikes back, is remembered, and is recorded without a secret."""
    rig = Rig()
    rig.sensor.strike(Kind.AUTH_FAIL, BOT, user="alice")
    rig.now_s += 5
    rig.sensor.credit(BOT, "Alice")

    assert rig.engine.strikes(BOT, rig.now_s) == 0
    assert rig.engine.is_known(BOT, rig.now_s)
    assert rig.recording.signals[-1] == Signal(
        rig.now_s, Kind.AUTH_PASS, "198.51.100.66", "", "Alice", rig.users.of("alice"), NO_SECRET
    )
    assert attrs.astuple(rig.engine.outbox.logins[0]) == (BOT, rig.users.of("alice"), rig.now_s)


def test_a_login_of_a_banned_client_is_an_alarm(caplog: pytest.LogCaptureFixture) -> None:
    """It is told to the operator and earns nothing; that of another client is no alarm."""
    rig = Rig()
    rig.ban()
    rig.sensor.credit(BOT, "alice")
    rig.sensor.credit(NETWORK, "bob")

    assert [record.getMessage().split()[:2] for record in caplog.records] == [
        ["alarm", "client=198.51.100.66"]
    ]
    assert rig.sensor.counts == {"auth-pass": 2, "auth-pass-banned": 1}
    assert [login.client for login in rig.engine.outbox.logins] == [NETWORK]


def test_a_login_after_the_ban_is_no_alarm(caplog: pytest.LogCaptureFixture) -> None:
    """Who is not banned any more logs in as anybody."""
    rig = Rig()
    rig.ban()
    rig.now_s += 900
    rig.engine.expire(rig.now_s)
    rig.sensor.credit(BOT, "alice")

    assert not caplog.records
    assert rig.engine.is_known(BOT, rig.now_s)


def test_nobody_is_nothing() -> None:
    """Who is never counted is seen, and that is all."""
    rig = Rig()
    rig.sensor.strike(Kind.AUTH_FAIL, NOBODY, user="alice")
    rig.sensor.credit(NOBODY, "alice")

    assert rig.sensor.counts == {"auth-fail": 1, "auth-pass": 1}
    assert not rig.engine.outbox
    assert rig.recording.signals == []


def test_long_names_are_cut() -> None:
    """To engine, recorder and tag a name is what is left of it."""
    rig = Rig()
    rig.sensor.strike(Kind.AUTH_FAIL, BOT, user="x" * 5000)
    rig.sensor.credit(BOT, "x" * 5000)

    name = "x" * MAX_USER
    assert rig.engine.outbox.strikes[0].user == name
    assert {(signal.user, signal.user_tag) for signal in rig.recording.signals} == {
        (name, rig.users.of(name))
    }


def test_without_a_recorder() -> None:
    """Nothing is recorded, and all else is the same."""
    rig = Rig(records=False)
    rig.sensor.strike(Kind.AUTH_FAIL, BOT, user="alice")
    rig.sensor.credit(BOT, "alice")

    assert rig.engine.is_known(BOT, NOW_S)
    assert rig.recording.signals == []
