# SPDX-License-Identifier: ISC
"""The relay under the real smtpd, with no daemon: mail goes on as if there were no filter."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real.accounts import USERS, messages
from tests.real.client import Clients
from tests.real.filterban import RELAY_COMMAND, FilterBan
from tests.real.installation import COMMAND
from tests.real.machine import Machine
from tests.real.network import SMTPS, SUBMISSION
from tests.real.polling import wait_until
from tests.real.smtpd import RealSmtpd

pytestmark = pytest.mark.real
StartSmtpd = Callable[[str], RealSmtpd]

NO_DAEMON = "[daemon]\nspawn = false\n"
RELAY = COMMAND


@pytest.fixture
def smtpd(machine: Machine, start_smtpd: StartSmtpd) -> RealSmtpd:
    """Provide an smtpd with the relay as its filter and no daemon for it."""
    FilterBan(machine, NO_DAEMON).close()
    return start_smtpd(RELAY_COMMAND)


@pytest.mark.parametrize("source", ["10.99.0.10", "fd00:99::10"])
@pytest.mark.parametrize("port", [SUBMISSION, SMTPS])
def test_mail_goes_on_without_a_daemon(
    machine: Machine, smtpd: RealSmtpd, clients: Clients, port: int, source: str
) -> None:
    """With no daemon wrong passwords fail, right ones pass, and messages are delivered."""
    with clients.open(source, port) as session:
        assert session.login("alice", "wrong").code == 535
        assert session.login("alice", USERS["alice"]).code == 235
        assert session.submit("alice@example.org", ["bob@example.org"], "Subject: hello\n\nBob\n").code == 250
    wait_until(lambda: messages(machine), "the message is in the maildir")
    assert smtpd.running()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_relay_stays_when_asked_to_leave(
    machine: Machine, smtpd: RealSmtpd, clients: Clients, number: signal.Signals
) -> None:
    """Signals that end other programs do not end the relay, and so not smtpd."""
    assert clients.login("10.99.0.10", "alice", USERS["alice"]).code == 235
    os.kill(machine.pid_of(RELAY), number)
    assert clients.login("10.99.0.10", "alice", USERS["alice"]).code == 235
    assert smtpd.running()


def test_the_relay_leaves_with_smtpd(machine: Machine, smtpd: RealSmtpd) -> None:
    """The relay leaves at end of input: after smtpd nothing is left."""
    smtpd.stop()
    wait_until(lambda: not machine.processes(), "every process has left")


def test_the_relay_has_no_privileges_and_is_small(
    machine: Machine, smtpd: RealSmtpd, clients: Clients
) -> None:
    """The relay runs as smtpd's own user, in at most 16 MB of resident memory."""
    for n in range(3):
        clients.login("10.99.0.10", "alice", f"wrong-{n}")
    (user,) = (
        line for line in machine.path("/etc/passwd").read_text().splitlines() if line.startswith("opensmtpd:")
    )
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{machine.pid_of(RELAY)}/status").read_text().splitlines()
    )
    assert status["Uid"].split() == [user.split(":")[2]] * 4
    assert int(status["VmRSS"].split()[0]) <= 16 * 1024
