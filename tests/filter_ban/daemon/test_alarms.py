# SPDX-License-Identifier: ISC
"""A banned client that is heard although the firewall should keep it out."""

import pytest

from filter_ban.client import parse_network
from filter_ban.daemon.alarms import GRACE_S, PAUSE_S, Alarms
from filter_ban.model import Ban, Enforcement

BOT = parse_network("198.51.100.66")
BAN = Ban(client=BOT, start_s=1, end_s=None, rule="5 in 10m", reason="")


class Watch:
    """Alarms with a clock and a firewall of the test's own."""

    def __init__(self, ports: tuple[int, ...] = ()) -> None:
        self.state = Enforcement.IN_FORCE
        self.now_s = 1000.0
        self.checks = 0
        self.alarms = Alarms(lambda _client: self.state, self._check, ports, lambda: self.now_s)

    def _check(self) -> None:
        self.checks += 1

    def heard(self, where: str = "opensmtpd 587") -> int:
        """Let the client be heard; return how many alarms there have been."""
        self.alarms.heard(BAN, where)
        return self.alarms.count


def test_a_ban_in_force_that_is_heard_is_an_alarm_and_checked(caplog: pytest.LogCaptureFixture) -> None:
    """It is counted, logged with the client, and the firewall is compared with the bans at once."""
    watch = Watch()

    assert watch.heard() == 1
    assert (watch.checks, watch.alarms.last_client, watch.alarms.last_s) == (1, BOT, 1000.0)
    assert "client=198.51.100.66" in caplog.text


@pytest.mark.parametrize("state", [state for state in Enforcement if state is not Enforcement.IN_FORCE])
def test_a_ban_that_is_not_in_force_is_no_alarm(state: Enforcement) -> None:
    """What is pending, failed or refused in the dialogue only may be heard."""
    watch = Watch()
    watch.state = state

    assert (watch.heard(), watch.checks) == (0, 0)


def test_what_was_under_way_is_no_alarm() -> None:
    """For a while after an entry was made, or made again, the client may still be heard."""
    watch = Watch()
    watch.alarms.made([BOT])
    watch.now_s += GRACE_S
    assert watch.heard() == 0
    watch.now_s += 1
    assert watch.heard() == 1
    watch.alarms.made([BOT])
    assert watch.heard() == 1


def test_a_flood_is_checked_once_in_a_while() -> None:
    """Each time counts, and the firewall is checked at most every PAUSE_S."""
    watch = Watch()
    assert [watch.heard() for _ in range(5)] == [1, 2, 3, 4, 5]
    assert watch.checks == 1
    watch.now_s += PAUSE_S
    watch.heard()
    assert watch.checks == 2


@pytest.mark.parametrize(
    ("where", "alarms"),
    [
        ("198.18.0.1:587", 1),
        ("[fd00::1]:587", 1),
        ("587", 1),
        ("opensmtpd 587", 1),
        ("25", 0),
        ("dovecot imap", 0),
        ("", 0),
    ],
)
def test_open_ports_may_be_heard(where: str, alarms: int) -> None:
    """Where only some ports are closed, what comes to others, or to nobody knows which, is no alarm."""
    assert Watch((465, 587)).heard(where) == alarms


def test_entries_of_long_ago_are_forgotten() -> None:
    """The memory of entries just made does not grow."""
    watch = Watch()
    watch.alarms.made([parse_network(f"192.0.2.{number}") for number in range(200)])
    watch.now_s += GRACE_S + 1
    watch.alarms.made([BOT])
    watch.alarms.forget()
    assert len(watch.alarms._in_force_s) == 1
