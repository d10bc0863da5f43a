# SPDX-License-Identifier: ISC
"""The real Postfix and Dovecot of both releases do what their clients expect, without filter-ban."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.real.accounts import USERS, messages
from tests.real.client import Clients, Mechanism
from tests.real.debian_root import POSTFIX_3_7, POSTFIX_3_10
from tests.real.dovecot import PENALTY_OFF, RealDovecot
from tests.real.machine import Machine
from tests.real.network import IMAP, IMAPS, SMTP, SMTPS, SUBMISSION
from tests.real.polling import wait_until
from tests.real.postfix import RealPostfix

pytestmark = [pytest.mark.real, pytest.mark.parametrize("debian", [POSTFIX_3_7, POSTFIX_3_10], ids=str)]

MESSAGE = "From: alice@example.org\nSubject: greetings\n\n.dot\n"
ALICE = ("alice", USERS["alice"])
HONEST = "10.99.0.10"


@pytest.fixture
def dovecot(start_dovecot: Callable[..., RealDovecot]) -> RealDovecot:
    """Provide a Dovecot that asks nobody."""
    return start_dovecot("", PENALTY_OFF)


@pytest.fixture
def postfix(dovecot: RealDovecot, start_postfix: Callable[..., RealPostfix]) -> RealPostfix:
    """Provide a Postfix that asks nobody but Dovecot."""
    return start_postfix()


@pytest.mark.parametrize(("port", "source"), [(SUBMISSION, HONEST), (SMTPS, "fd00:99::10")])
def test_an_honest_user_sends_mail(
    machine: Machine, postfix: RealPostfix, clients: Clients, port: int, source: str
) -> None:
    """Login and message pass, and the message is delivered as it is."""
    with clients.open(source, port) as session:
        assert session.login(*ALICE).code == 235
        assert session.submit("alice@example.org", ["bob@example.org"], MESSAGE).code == 250
        assert session.command("QUIT").code == 221
    wait_until(lambda: messages(machine), "the message is in the maildir")
    (message,) = messages(machine)
    assert f"[{'IPv6:' if ':' in source else ''}{source}]" in message
    assert "Subject: greetings\n" in message
    assert message.endswith("\n\n.dot\n")


def test_each_mechanism_tells_right_from_wrong(postfix: RealPostfix, clients: Clients) -> None:
    """A wrong password gives 535 and the session stays usable; the right one then gives 235."""

    def log_in(mechanism: Mechanism) -> list[int]:
        with clients.open(HONEST) as session:
            tries = ("wrong", USERS["alice"])
            return [session.login("alice", password, mechanism).code for password in tries]

    with ThreadPoolExecutor() as pool:  # a wrong password costs up to two seconds
        assert list(pool.map(log_in, Mechanism)) == [[535, 235]] * len(Mechanism)


@pytest.mark.parametrize("port", [IMAP, IMAPS])
def test_imap_tells_right_from_wrong(dovecot: RealDovecot, clients: Clients, port: int) -> None:
    """A wrong password gives NO and the session stays usable; the right one then gives OK."""
    with clients.open_imap("fd00:99::10", port) as session:
        wrong = session.login("alice", 'wrong "\\ one')
        assert str(wrong) == "NO [AUTHENTICATIONFAILED] Authentication failed."
        assert session.login(*ALICE).status == "OK"
        logout = session.command("LOGOUT")
    assert (logout.status, logout.untagged) == ("OK", ("BYE Logging out",))


def test_a_server_to_server_port_takes_mail_without_login(postfix: RealPostfix, clients: Clients) -> None:
    """Port 25 offers no AUTH and takes mail for its own domain only."""
    with clients.connect(HONEST, SMTP) as session:
        session.ehlo()
        assert "AUTH" not in session.starttls().text
        assert session.submit("x@example.net", ["x@example.com"], MESSAGE).code == 454
        assert session.submit("x@example.net", ["bob@example.org"], MESSAGE).code == 503
        assert session.command("RSET").code == 250
        assert session.submit("x@example.net", ["bob@example.org"], MESSAGE).code == 250


def test_without_a_policy_server_mail_goes_on(
    start_dovecot: Callable[..., RealDovecot], start_postfix: Callable[..., RealPostfix], clients: Clients
) -> None:
    """Configured for policy servers that are not there, both let users in."""
    start_dovecot("http://127.0.0.1:10041/")
    postfix = start_postfix("inet:127.0.0.1:10040")
    assert clients.login(HONEST, *ALICE).code == 235
    with clients.open_imap(HONEST) as session:
        assert session.login(*ALICE).status == "OK"
    assert "connect to 127.0.0.1:10040: Connection refused" in postfix.log()


def test_reload(machine: Machine, postfix: RealPostfix, dovecot: RealDovecot, clients: Clients) -> None:
    """Both take another configuration without a restart."""
    machine.run(["postconf", "-e", "smtpd_banner=another one"])
    users = machine.path("/etc/dovecot/dovecot.conf").read_text()
    machine.write("/etc/dovecot/dovecot.conf", f"{users}login_greeting = another one\n")
    postfix.reload()
    dovecot.reload()
    with clients.connect(HONEST, SUBMISSION) as session:
        assert session.greeting.text == "another one"
    with clients.open_imap(HONEST) as session:
        assert session.greeting.endswith("another one")


def test_a_stopped_server_leaves_nothing(
    machine: Machine, postfix: RealPostfix, dovecot: RealDovecot
) -> None:
    """SIGTERM ends the servers and all their parts."""
    postfix.stop()
    dovecot.stop()
    wait_until(lambda: not machine.processes(), "every process has left")
