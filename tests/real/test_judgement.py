# SPDX-License-Identifier: ISC
"""The rules of judgement, tried on a real Postfix with Dovecot."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.real.accounts import USERS
from tests.real.client import Clients
from tests.real.debian_root import POSTFIX_3_10
from tests.real.doors import Answer, login
from tests.real.dovecot import POLICY as AUTH_POLICY
from tests.real.dovecot import QUICK, RealDovecot
from tests.real.filterban import FilterBan
from tests.real.network import IMAPS, MX_IPV4, SMTPS, SUBMISSION
from tests.real.postfix import POLICY, RealPostfix

pytestmark = [pytest.mark.real, pytest.mark.parametrize("debian", [POSTFIX_3_10], ids=str)]
Start = Callable[[str], FilterBan]

BOT = "10.99.0.66"
OTHER_BOT = "10.99.0.67"
HOME = "10.99.0.10"
DECOY = 2525
NETWORK = "fd00:99:7::/48"
MEMBERS = [f"fd00:99:7:{number:x}00::1" for number in range(24)]  # each in a /56 of its own
NEIGHBOUR, RESIDENT, STRANGER = "fd00:99:7:ffff::1", "fd00:99:7:eeee::1", "fd00:99:8::1"

Try = tuple[str, str, str]  # source, user, password


@pytest.fixture
def start(
    start_filterban: Start,
    start_dovecot: Callable[..., RealDovecot],
    start_postfix: Callable[..., RealPostfix],
) -> Start:
    """Provide a function that starts the daemon with a configuration, and both servers with it."""

    def start(configuration: str) -> FilterBan:
        filterban = start_filterban(f'{configuration}\n[dovecot]\nlisten = ["127.0.0.1:10041"]\n')
        start_dovecot(AUTH_POLICY, QUICK)
        start_postfix(POLICY)
        return filterban

    return start


def try_all(clients: Clients, tries: Iterable[Try]) -> list[Answer]:
    """Try all at once, over IMAP; a wrong password costs a second."""

    def try_one(one: Try) -> Answer:
        source, user, password = one
        return login(clients, source, IMAPS, user=user, password=password)

    with ThreadPoolExecutor(24) as pool:
        return list(pool.map(try_one, tries))


def greeting(clients: Clients, source: str, port: int = SUBMISSION) -> str:
    """Return what Postfix says first."""
    with clients.connect(source, port) as session:
        return str(session.greeting)


def is_refused(clients: Clients, source: str) -> bool:
    """Return whether Postfix turns *source* away before its banner."""
    return all(greeting(clients, source, port).startswith("421 ") for port in (SUBMISSION, SMTPS))


def bans(filterban: FilterBan) -> dict[str, Any]:
    """Return the bans by client."""
    return {ban["client"]: ban for ban in filterban.json("list")["bans"]}


def test_names_that_nobody_has_ban_at_once(start: Start, clients: Clients) -> None:
    """One try for a trap or for a foreign domain is enough; one for a user or a domain of ours is not."""
    filterban = start('[users]\ndomains = ["example.org"]\ntraps = ["admin"]\n')
    tries = [(BOT, "admin", "Admin-1"), (OTHER_BOT, "info@example.com", "Info-1"), (HOME, "bob", "Oops-1")]
    assert not any(answer.accepted for answer in try_all(clients, tries))
    assert {client: ban["rule"] for client, ban in bans(filterban).items()} == {
        BOT: "trap-user",
        OTHER_BOT: "foreign-domain",
    }
    assert [is_refused(clients, source) for source in (BOT, OTHER_BOT, HOME)] == [True, True, False]
    answer = login(clients, BOT, IMAPS)
    assert answer.text.startswith(f"NO [ALERT] {BOT} refused until ")


def test_a_hopper_closes_its_network(start: Start, clients: Clients) -> None:
    """One try from each of many /64s bans the /48 around them, but for those who have logged in there."""
    filterban = start("")
    assert login(clients, RESIDENT, IMAPS).accepted
    try_all(clients, [(member, "alice", f"Wrong-{member}") for member in MEMBERS])

    ban = bans(filterban)[NETWORK]
    assert (ban["rule"], ban["firewall"]) == ("widened", False)
    for source in (MEMBERS[0], NEIGHBOUR):
        assert is_refused(clients, source)
    for source in (RESIDENT, STRANGER):
        assert not is_refused(clients, source)
        assert login(clients, source, SUBMISSION).accepted


def test_who_mistypes_at_home_is_spared_and_a_stranger_is_not(start: Start, clients: Clients) -> None:
    """Eight wrong passwords of somebody who logs in from there are no ban; five of a stranger are."""
    filterban = start("")
    assert login(clients, HOME, SUBMISSION).accepted
    try_all(clients, [(source, "alice", f"Wrong-{number}") for source in (HOME, BOT) for number in range(8)])
    assert set(bans(filterban)) == {BOT}
    assert is_refused(clients, BOT)
    assert login(clients, HOME, SUBMISSION).accepted


def test_a_login_at_the_decoy_closes_all_doors(start: Start, clients: Clients) -> None:
    """Whatever name and password: the next connection is refused; who only looks at the decoy is let in."""
    filterban = start(f'[decoy]\nlisten = ["{MX_IPV4}:{DECOY}"]\n')
    with clients.connect(HOME, DECOY) as session:
        assert "AUTH PLAIN LOGIN" in session.ehlo().text
    with clients.connect(BOT, DECOY) as session:
        session.ehlo()
        assert session.login("alice", USERS["alice"]).code == 535
    assert is_refused(clients, BOT)
    assert greeting(clients, BOT, DECOY).startswith(f"421 4.7.0 {BOT} refused until ")
    assert bans(filterban)[BOT]["rule"] == "decoy"
    assert login(clients, HOME, SUBMISSION).accepted
