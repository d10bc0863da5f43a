# SPDX-License-Identifier: ISC
"""The real OpenSMTPD 7.6 does what its clients and its filter expect, with stand-ins for the filter."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.real.accounts import USERS, messages
from tests.real.client import Clients, Mechanism
from tests.real.machine import Machine
from tests.real.network import SMTP, SMTPS, SUBMISSION
from tests.real.polling import wait_until
from tests.real.smtpd import RealSmtpd
from tests.real.standin import write_standin

pytestmark = pytest.mark.real
StartSmtpd = Callable[[str], RealSmtpd]

PHASES = ("connect", "ehlo", "starttls", "auth", "mail-from", "rcpt-to", "data", "commit", "quit")
MESSAGE = "From: alice@example.org\nSubject: greetings\n\n.dot\n"
ALICE = ("alice", USERS["alice"])


@pytest.mark.parametrize("source", ["10.99.0.10", "fd00:99::10"])
@pytest.mark.parametrize("port", [SUBMISSION, SMTPS])
def test_an_honest_user_sends_mail(
    machine: Machine, clients: Clients, start_smtpd: StartSmtpd, port: int, source: str
) -> None:
    """A filter that proceeds always changes nothing for a user: login and message pass."""
    smtpd = start_smtpd(write_standin(machine, dict.fromkeys(PHASES, "proceed")))
    with clients.open(source, port) as session:
        assert session.login(*ALICE).code == 235
        assert session.submit("alice@example.org", ["bob@example.org"], MESSAGE).code == 250
        assert session.command("QUIT").code == 221
    wait_until(lambda: messages(machine), "the message is in the maildir")
    (message,) = messages(machine)
    assert "Subject: greetings\n" in message
    assert message.endswith("\n\n.dot\n")
    assert smtpd.running()


@pytest.mark.parametrize("mechanism", Mechanism)
def test_each_mechanism_tells_right_from_wrong(
    clients: Clients, start_smtpd: StartSmtpd, mechanism: Mechanism
) -> None:
    """A wrong password gives 535 and the session stays usable; the right one then gives 235."""
    start_smtpd("")
    with clients.open("10.99.0.10") as session:
        assert session.login("alice", "wrong", mechanism).code == 535
        assert session.login(*ALICE, mechanism).code == 235


def test_many_clients_have_addresses_of_their_own(
    machine: Machine, clients: Clients, start_smtpd: StartSmtpd
) -> None:
    """Each session reports the address its client has, in both families."""
    smtpd = start_smtpd(write_standin(machine, {}))
    sources = [f"10.99.{n % 4}.{10 + n}" for n in range(20)] + [f"fd00:99:{n}::7" for n in range(1, 20)]
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda source: clients.login(source, "alice", "wrong").code, sources))
    assert codes == [535] * len(sources)
    connects = [line.split("|")[8] for line in smtpd.filter_log() if "|link-connect|" in line]
    assert {address.rpartition(":")[0].strip("[]") for address in connects} == set(sources)


def test_a_refused_connection_ends(machine: Machine, clients: Clients, start_smtpd: StartSmtpd) -> None:
    """A filter that disconnects at connect makes smtpd reply with its text and hang up."""
    start_smtpd(write_standin(machine, {"connect": "disconnect|421 4.7.0 go away"}))
    with clients.connect("10.99.0.10", SUBMISSION) as session:
        assert str(session.greeting) == "421 4.7.0 go away"
        assert session.ended()


def test_a_refusal_at_connect_on_smtps_is_in_plain_text(
    machine: Machine, clients: Clients, start_smtpd: StartSmtpd
) -> None:
    """On smtps the reply at connect comes before TLS: a TLS client sees an error and no text."""
    start_smtpd(write_standin(machine, {"connect": "disconnect|421 4.7.0 go away"}))
    with clients.network.connect("10.99.0.10", SMTPS, 5) as connection, connection.makefile("rb") as lines:
        assert lines.readline() == b"421 4.7.0 go away\r\n"
    with clients.connect("10.99.0.10", SMTPS) as session:
        assert session.greeting.code == 0


def test_a_refusal_at_auth_beats_the_right_password(
    machine: Machine, clients: Clients, start_smtpd: StartSmtpd
) -> None:
    """A request answered with disconnect at auth never reaches the password check; inside TLS the text is seen."""
    smtpd = start_smtpd(write_standin(machine, {"auth": "disconnect|421 4.7.0 go away"}))
    with clients.open("10.99.0.10", SMTPS) as session:
        assert str(session.login(*ALICE)) == "421 4.7.0 go away"
        assert session.ended()
    assert not [line for line in smtpd.filter_log() if "|link-auth|" in line]


def test_a_server_to_server_port_takes_mail_without_login(clients: Clients, start_smtpd: StartSmtpd) -> None:
    """Port 25 offers no AUTH and takes mail for its own domain only."""
    start_smtpd("")
    with clients.connect("10.99.0.10", SMTP) as session:
        session.ehlo()
        assert "AUTH" not in session.starttls().text
        assert session.submit("x@example.net", ["x@example.com"], MESSAGE).code == 550
        assert session.command("RSET").code == 250
        assert session.submit("x@example.net", ["bob@example.org"], MESSAGE).code == 250


def test_smtpd_ends_with_its_filter(machine: Machine, start_smtpd: StartSmtpd) -> None:
    """When the filter process ends smtpd stops as a whole, with status 0."""
    smtpd = start_smtpd(write_standin(machine, {}))
    os.kill(machine.pid_of("standin"), signal.SIGKILL)
    assert smtpd.wait() == 0
    assert "lost processor: ban" in smtpd.log()


def test_a_stopped_smtpd_leaves_nothing(machine: Machine, start_smtpd: StartSmtpd) -> None:
    """SIGTERM ends smtpd, its parts, and a filter that leaves at end of input."""
    smtpd = start_smtpd(write_standin(machine, {}))
    wait_until(smtpd.filter_log, "the filter runs")
    smtpd.stop()
    wait_until(lambda: not machine.processes(), "every process has left")
