# SPDX-License-Identifier: ISC
"""What OpenSMTPD 7.6 says to its filter: the facts that filter-ban rests on."""

from collections.abc import Callable

import pytest

from tests.real.accounts import USERS
from tests.real.client import Clients, Mechanism
from tests.real.machine import Machine
from tests.real.network import SMTPS
from tests.real.polling import wait_until
from tests.real.smtpd import RealSmtpd
from tests.real.standin import write_standin

pytestmark = pytest.mark.real
StartSmtpd = Callable[[str], RealSmtpd]
Record = Callable[[], list[list[str]]]


@pytest.fixture
def smtpd(machine: Machine, start_smtpd: StartSmtpd) -> RealSmtpd:
    """Provide an smtpd whose filter logs all it gets and proceeds."""
    return start_smtpd(write_standin(machine, dict.fromkeys(("connect", "auth", "mail-from"), "proceed")))


def lines_of(smtpd: RealSmtpd, *names: str) -> list[list[str]]:
    """Return the fields of the reports and requests of these *names*, oldest first."""
    rows = [line.split("|") for line in smtpd.filter_log()]
    return [row for row in rows if len(row) > 5 and row[4] in names]


def test_handshake(smtpd: RealSmtpd) -> None:
    """The handshake has version, protocol, timeout, subsystem and host name, then ready."""
    wait_until(lambda: "config|ready" in smtpd.filter_log(), "the handshake is logged")
    assert smtpd.filter_log()[: smtpd.filter_log().index("config|ready") + 1] == [
        "config|smtpd-version|7.6.0-portable",
        "config|protocol|0.7",
        "config|smtp-session-timeout|300",
        "config|subsystem|smtp-in",
        "config|admd|mail.example.org",
        "config|ready",
    ]


def test_connect(smtpd: RealSmtpd, clients: Clients) -> None:
    """link-connect has the port and comes before the connect request, which has none; no reverse name is fail."""
    clients.login("10.99.0.10", "alice", "wrong")
    clients.login("fd00:99::10", "alice", "wrong")
    report, request, report6, request6 = lines_of(smtpd, "link-connect", "connect")
    assert report[:2] == ["report", "0.7"]
    assert report[6:8] == ["<unknown>", "fail"]
    assert report[8].startswith("10.99.0.10:")
    assert report[9] == "198.18.0.1:587"
    assert request[7:] == ["<unknown>", "10.99.0.10"]
    assert report6[8].startswith("[fd00:99::10]:")
    assert request6[7:] == ["<unknown>", "[fd00:99::10]"]


def test_link_auth_has_the_result_first(smtpd: RealSmtpd, clients: Clients) -> None:
    """In protocol 0.7 the result precedes the user name, in which a vertical line stays as it is."""
    clients.login("10.99.0.10", "alice", USERS["alice"])
    clients.login("10.99.0.10", "a|b pass", "wrong")
    assert [row[6:] for row in lines_of(smtpd, "link-auth")] == [
        ["pass", "alice"],
        ["fail", "a", r"b\040pass"],
    ]


@pytest.mark.parametrize("mechanism", Mechanism)
def test_link_auth_comes_before_the_next_auth(
    smtpd: RealSmtpd, clients: Clients, mechanism: Mechanism
) -> None:
    """Within a session the result of a login is reported before the next one is asked about, and before its 535."""
    with clients.open("10.99.0.10", SMTPS) as session:
        for n in range(3):
            assert session.login("alice", f"wrong-{n}", mechanism).code == 535
            assert len(lines_of(smtpd, "link-auth")) == n + 1
    assert [row[4] for row in lines_of(smtpd, "auth", "link-auth")] == ["auth", "link-auth"] * 3


def test_the_token_is_the_same_for_all_sessions(smtpd: RealSmtpd, clients: Clients) -> None:
    """The session id is the only key of a request: its token belongs to filter and phase."""
    for source in ("10.99.0.10", "10.99.0.11"):
        clients.login(source, "alice", "wrong")
    requests = lines_of(smtpd, "auth")
    assert len({row[5] for row in requests}) == 2
    assert len({row[6] for row in requests}) == 1


def test_the_secret_is_in_the_auth_request_only(smtpd: RealSmtpd, clients: Clients) -> None:
    """The request has the argument of AUTH PLAIN as it was sent; protocol-client masks it."""
    clients.login("10.99.0.10", "alice", "wrong")
    assert [row[7] for row in lines_of(smtpd, "auth")] == ["PLAIN AGFsaWNlAHdyb25n"]
    masked = [row[6] for row in lines_of(smtpd, "protocol-client") if row[6].startswith("AUTH")]
    assert masked == ["AUTH PLAIN ********"]


def test_malformed_logins_are_not_reported(smtpd: RealSmtpd, clients: Clients) -> None:
    """Malformed and cancelled AUTH gives 501 or 504 and no link-auth."""
    with clients.open("10.99.0.10") as session:
        assert session.command("AUTH PLAIN !!!").code == 501
        assert session.command("AUTH PLAIN YWxpY2U=").code == 501
        assert session.command("AUTH CRAM-MD5").code == 504
        assert session.command("AUTH LOGIN").code == 334
        assert session.command("*").code == 501
        assert session.login("u" * 256, "wrong").code == 501
        assert session.login("alice", "wrong").code == 535
    assert len(lines_of(smtpd, "link-auth")) == 1


def test_failures_do_not_end_a_session(smtpd: RealSmtpd, clients: Clients) -> None:
    """However many logins failed in a session, smtpd lets the right password in."""
    with clients.open("10.99.0.10") as session:
        codes = [session.login("alice", f"wrong-{n}").code for n in range(8)]
        assert codes == [535] * 8
        assert session.login("alice", USERS["alice"]).code == 235
        assert session.login("alice", USERS["alice"]).code == 503


def test_smtps_without_handshake(smtpd: RealSmtpd, clients: Clients) -> None:
    """A connection to smtps that never starts TLS is reported, without link-tls."""
    with clients.network.connect("10.99.0.10", SMTPS, 5) as connection:
        connection.sendall(b"EHLO bot\r\n")
        wait_until(lambda: lines_of(smtpd, "link-disconnect"), "the session is over")
    seen = [
        row[4]
        for row in lines_of(smtpd, "link-connect", "connect", "link-tls", "link-greeting", "link-disconnect")
    ]
    assert seen == ["link-connect", "connect", "link-disconnect"]
