# SPDX-License-Identifier: ISC
"""The fake smtpd and its sessions. That sessions send what Postfix sends is tested with the transcripts."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from postfix_policy import Dunno, Reject, RemoteProtocolError, Reply
from postfix_policy.testing import FakeSession, FakeSmtpd


@contextmanager
def replying(sock: socket.socket, *replies: bytes) -> Iterator[None]:
    """Serve one connection that gets *replies*, each in two pieces, and is closed."""
    sock.listen()

    def serve() -> None:
        connection, _ = sock.accept()
        with connection:
            for reply in replies:
                connection.recv(65536)
                connection.sendall(reply[:3])
                connection.sendall(reply[3:])
            connection.recv(65536)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join(10)
        sock.close()


@pytest.fixture
def listener() -> socket.socket:
    """Return a socket on loopback."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


def test_one_connection_for_all_sessions(listener: socket.socket) -> None:
    """An smtpd asks for one session after another on its connection."""
    with (
        replying(listener, b"action=DUNNO\n\n", b"action=421 4.7.0 no\n\n"),
        FakeSmtpd(listener.getsockname()) as smtpd,
    ):
        assert smtpd.ask(FakeSession().connect()) == Dunno()
        assert smtpd.ask(FakeSession("2001:db8::7").connect()) == Reply("421 4.7.0 no")


def test_unix_socket(tmp_path: Path) -> None:
    """An smtpd connects to a unix socket, too."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "policy"))
    with replying(sock, b"action=REJECT\n\n"), FakeSmtpd(sock.getsockname()) as smtpd:
        assert smtpd.ask(FakeSession().connect()) == Reject()


@pytest.mark.parametrize(
    "reply", [b"", b"action=521\n\n", b"action=12345\n\n", b"action=\n\n", b"action=DUNNO\r\n\r\n"]
)
def test_traps(listener: socket.socket, reply: bytes) -> None:
    """No reply, and a reply that Postfix would take for OK or not at all, fail the test."""
    with replying(listener, reply), FakeSmtpd(listener.getsockname()) as smtpd:
        if not reply:
            smtpd.socket.shutdown(socket.SHUT_WR)  # what is sent now meets a closed connection
        with pytest.raises((RemoteProtocolError, BrokenPipeError)):
            smtpd.ask(FakeSession().connect())


def test_server_that_closes(listener: socket.socket) -> None:
    """A server that closes instead of replying is told, whether it read the request or not."""
    with (
        replying(listener),
        FakeSmtpd(listener.getsockname()) as smtpd,
        pytest.raises(RemoteProtocolError, match="closed without a reply"),
    ):
        smtpd.ask(FakeSession().connect())


def test_reset_connection(listener: socket.socket) -> None:
    """A connection that is reset while a reply is awaited counts as closed."""
    listener.listen()

    def serve() -> None:
        connection, _ = listener.accept()
        connection.recv(1)  # what is left unread makes a reset of the close
        connection.close()

    thread = threading.Thread(target=serve)
    with FakeSmtpd(listener.getsockname()) as smtpd:
        thread.start()
        with pytest.raises(RemoteProtocolError, match="closed without a reply"):
            smtpd.ask(FakeSession().connect())
    thread.join(10)
    listener.close()


def test_silent_server(listener: socket.socket) -> None:
    """A server that says nothing is not waited for without an end."""
    listener.listen()
    with FakeSmtpd(listener.getsockname(), timeout_s=0.05) as smtpd, pytest.raises(TimeoutError):
        smtpd.ask(FakeSession().connect())
    listener.close()


def test_sessions_differ() -> None:
    """Each session has a port of its own, and deliveries an instance of their own."""
    first, second = FakeSession(), FakeSession()
    assert first.connect().client_port != second.connect().client_port
    first.mail()
    second.mail()
    assert first.rcpt().instance != second.rcpt().instance


def test_attributes_of_the_caller() -> None:
    """More attributes go with each request."""
    session = FakeSession(policy_context="submission", client_name="bot.example.net")
    for request in (session.connect(), session.ehlo(), session.mail()):
        assert (request.policy_context, request.client_name) == ("submission", "bot.example.net")


def test_login_shows_in_later_requests() -> None:
    """A login shows from the next request on, and lasts."""
    session = FakeSession()
    session.connect()
    session.start_tls()
    assert session.ehlo().sasl_username == ""
    session.login("alice@example.org", "LOGIN")
    for request in (session.mail(), session.ehlo()):
        assert (request.sasl_username, request.sasl_method) == ("alice@example.org", "LOGIN")
        assert request.encryption_keysize == 256


def test_unknown_version() -> None:
    """Versions that were not recorded are not made up."""
    with pytest.raises(KeyError):
        FakeSession(version="2.1")
