# SPDX-License-Identifier: ISC
"""The blocklistd sensor: what a report counts, and what it does not."""

import logging
from typing import Any

import attrs
import pytest

from filter_ban.clients import Clients
from filter_ban.config import parse_config
from filter_ban.engine import Engine, Policy
from filter_ban.model import Ban, Kind
from filter_ban.sensors.blocklist_datagram import Event
from filter_ban.sensors.blocklistd import MALFORMED, SENDER_REFUSED, BlocklistdSensor, Rejection, Report
from filter_ban.sensors.sensor import Means
from filter_ban.signals import Signal
from filter_ban.tags import SecretTags, UserTags
from filter_ban.verdicts import Verdicts

NOW_S = 1_763_690_000.0
BOT = "198.51.100.66"
REPORT = Report(Event.FAILURE, BOT, 22, "tcp", "ssh")
CONFIG = """
[never]
networks = ["192.0.2.0/24"]
[[override]]
services = ["blocklistd 21"]
windows = ["3 in 1h"]
"""


class Recorder:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.signals: list[Signal] = []

    def record(self, signal: Signal) -> None:
        """Keep a signal."""
        self.signals.append(signal)


class Rig:
    """A sensor with an engine of its own."""

    def __init__(self) -> None:
        config = parse_config(CONFIG)
        policy = Policy.compile(config)
        self.engine = Engine(policy)
        self.recorder = Recorder()
        self.now_s = NOW_S
        self.sensor = BlocklistdSensor(
            Means(
                engine=self.engine,
                clients=Clients(policy),
                verdicts=Verdicts(self.engine, config.reply.banned),
                users=UserTags(b"0123456789abcdef"),
                secrets=SecretTags(),
                clock=lambda: self.now_s,
                recorder=self.recorder,  # type: ignore[arg-type]  # a stand-in
            ),
        )

    def report(self, times: int = 1, **changes: Any) -> None:
        """Report what is REPORT but for *changes*, once a second."""
        for _ in range(times):
            self.now_s += 1
            self.sensor.report(attrs.evolve(REPORT, **changes))

    def strikes(self, address: str = BOT) -> float:
        """Return the strikes of a client."""
        return self.engine.strikes(self.sensor._clients.of(address), self.now_s)

    @property
    def bans(self) -> list[Ban]:
        """The active bans."""
        return list(self.engine.bans.values())


def test_each_failure_counts() -> None:
    """There is no user and no secret that would make one the repetition of another."""
    rig = Rig()
    rig.report(4)
    assert (rig.strikes(), rig.bans) == (4, [])
    rig.report()

    (ban,) = rig.bans
    assert (ban.rule, ban.firewall) == ("5 in 10m", True)
    assert {strike.service for strike in rig.engine.outbox.strikes} == {"blocklistd 22/tcp"}
    assert rig.sensor.counts == {Kind.AUTH_FAIL: 5}


def test_slow_failures_count_too() -> None:
    """A pace that is that of a program with an old password excuses nobody whose user is not known."""
    rig = Rig()
    for _ in range(10):
        rig.now_s += 3600
        rig.report()

    (ban,) = rig.bans
    assert (ban.rule, ban.firewall) == ("10 in 24h", True)


def test_a_bad_user_and_its_failure_weigh_two() -> None:
    """So much as a failed login for an unknown user does where a server says that in one."""
    rig = Rig()
    rig.report(event=Event.BAD_USER, text="nobody")
    rig.report()

    assert parse_config("").weights.unknown_user == rig.strikes()
    assert rig.sensor.counts == {Kind.AUTH_FAIL: 2, "bad-user": 1}


@pytest.mark.parametrize("mode", ["enforce", "watch"])
def test_abuse_bans_at_once(caplog: pytest.LogCaptureFixture, mode: str) -> None:
    """One report does; what it says for a reason is in the log, once."""
    caplog.set_level(logging.INFO)
    rig = Rig()
    rig.engine.reconfigure(Policy.compile(parse_config(f'mode = "{mode}"')))
    rig.report(2, event=Event.ABUSE, port=53, protocol="udp", text="\\x1b[2J of names")

    (ban,) = rig.bans
    assert (ban.rule, ban.reason) == ("reported", "reported")
    assert caplog.messages == [f'abuse client={BOT} service="blocklistd 53/udp" text="\\\\x1b[2J of names"']


def test_success_takes_nothing_back() -> None:
    """Whoever owns one account would else clear his guesses with it; but he is not counted for it either."""
    rig = Rig()
    rig.report(4)
    rig.report(event=Event.SUCCESS)
    rig.report(event=Event.SUCCESS, address="203.0.113.1")

    assert (rig.strikes(), rig.strikes("203.0.113.1")) == (4, 0)
    assert rig.sensor.counts == {Kind.AUTH_FAIL: 4, Kind.AUTH_PASS: 2}
    rig.report()
    assert len(rig.bans) == 1


def test_success_of_a_banned_client_is_an_alarm(caplog: pytest.LogCaptureFixture) -> None:
    """A guess may have been right."""
    rig = Rig()
    rig.report(5)
    rig.report(event=Event.SUCCESS)

    assert rig.sensor.counts["auth-pass-banned"] == 1
    assert f"alarm client={BOT}" in caplog.text


def test_a_service_can_have_limits_of_its_own() -> None:
    """Override goes by the port."""
    rig = Rig()
    rig.report(3)
    assert rig.bans == []
    rig.report(3, port=21, address="203.0.113.1")
    (ban,) = rig.bans
    assert ban.rule == "3 in 1h"


@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("address", ["192.0.2.7", "::ffff:192.0.2.7"])
def test_who_is_never_counted_is_not(event: Event, address: str) -> None:
    """The never-list holds here too."""
    rig = Rig()
    rig.report(20, event=event, address=address)

    assert (rig.strikes(address), rig.bans, rig.recorder.signals) == (0, [], [])


def test_ipv6_is_counted_by_its_network_and_mapped_ipv4_as_ipv4() -> None:
    """As everywhere."""
    rig = Rig()
    rig.report(2, address="2001:db8::1")
    rig.report(2, address="2001:db8::2")
    rig.report(2, address=f"::ffff:{BOT}")

    assert (rig.strikes("2001:db8::3"), rig.strikes()) == (4, 2)


def test_signals_are_recorded() -> None:
    """Successes too, though a replay learns nothing from one without a user."""
    rig = Rig()
    rig.report()
    rig.report(event=Event.SUCCESS)

    assert rig.recorder.signals == [
        Signal(NOW_S + 1, Kind.AUTH_FAIL, BOT, "blocklistd 22/tcp"),
        Signal(NOW_S + 2, Kind.AUTH_PASS, BOT, "blocklistd 22/tcp"),
    ]


def test_rejections_are_counted_and_one_a_minute_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Each kind by itself; a clock that is set back silences nothing."""
    rig = Rig()
    for after_s in (0, 1, 58, 1, -100):
        rig.now_s += after_s
        for kind in (MALFORMED, SENDER_REFUSED):
            rig.sensor.reject(Rejection(kind, "a reason"))

    assert rig.sensor.counts == {MALFORMED: 5, SENDER_REFUSED: 5}
    assert caplog.messages == [
        f'report-rejected kind={kind} why="a reason" count={count}'
        for count in (1, 4, 5)
        for kind in (MALFORMED, SENDER_REFUSED)
    ]
