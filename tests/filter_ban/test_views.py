# SPDX-License-Identifier: ISC
"""Bans, strikes and logins as documents."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_ban.client import ClientKey, key_text, parse_network
from filter_ban.config import parse_config
from filter_ban.engine import Policy
from filter_ban.ledger import Ledger, LedgerReader, open_reader
from filter_ban.model import Ban, Kind, Login, Strike
from filter_ban.views import (
    SHOWN_STRIKES,
    counted_as,
    history_document,
    is_within,
    limit_texts,
    logins_document,
    reference_in,
)

NOW_S = 1_763_690_000
DAY_S = 86_400
POLICY = Policy.compile(parse_config('[[override]]\nnetworks = ["192.0.2.0/24"]\nwindows = ["3 in 1d"]\n'))
CLIENT, NEIGHBOUR, OTHER = map(parse_network, ("192.0.2.7", "192.0.2.9", "203.0.113.7"))
NETWORK, IPV6 = parse_network("192.0.2.0/24"), parse_network("2001:db8::/64")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[LedgerReader]:
    """Return a ledger with strikes and logins of a few clients, and a ban of a network."""
    path = tmp_path / "ledger.sqlite3"
    with Ledger.open(path, NOW_S) as ledger:
        clients = [CLIENT] * 60 + [NEIGHBOUR, OTHER, IPV6]
        ledger.record_strikes(
            Strike(client, NOW_S - 100 + at, Kind.AUTH_FAIL, 1, "alice@example.org", 7, "smtps")
            for at, client in enumerate(clients)
        )
        ledger.record_logins(
            [
                Login(CLIENT, 7, NOW_S - 50),
                Login(CLIENT, 8, NOW_S - 40),
                Login(NEIGHBOUR, 8, NOW_S - 30),
                Login(OTHER, 9, NOW_S - 31 * DAY_S),
                Login(IPV6, 9, NOW_S - 10),
            ]
        )
        ledger.record_bans(
            [Ban(client=NETWORK, start_s=NOW_S, end_s=None, rule="widened", reason="", reference="R")]
        )
    with open_reader(path) as opened:
        yield opened


def test_history_of_a_client(reader: LedgerReader) -> None:
    """It has the newest strikes of just that client, each with its reason, and the bans of networks around it."""
    history = history_document(reader, POLICY, client=CLIENT, counted=CLIENT, ban=None)
    assert len(history["events"]) == SHOWN_STRIKES
    assert history["events"][0] == {
        "client": "192.0.2.7",
        "time": NOW_S - 41,
        "kind": "auth-fail",
        "weight": 1,
        "user": "al…@example.org",
        "service": "smtps",
        "node": "",
        "why": "",
    }
    assert [ban["client"] for ban in history["past_bans"]] == ["192.0.2.0/24"]
    assert history["raised"] == 0


def test_history_of_a_network(reader: LedgerReader) -> None:
    """It has the strikes of the members, newest first."""
    events = history_document(reader, POLICY, client=NETWORK, counted=NETWORK, ban=None)["events"]
    assert len(events) == SHOWN_STRIKES
    assert {event["client"] for event in events} == {"192.0.2.7", "192.0.2.9"}
    assert events[0]["client"] == "192.0.2.9"


LOGINS = {
    CLIENT: {"users": 2, "last": NOW_S - 40},
    NETWORK: {"users": 2, "last": NOW_S - 30},
    OTHER: {"users": 0, "last": None},
    IPV6: {"users": 1, "last": NOW_S - 10},
}


@pytest.mark.parametrize("client", LOGINS, ids=key_text)
def test_logins(reader: LedgerReader, client: ClientKey) -> None:
    """Users are counted once, over all members of a network, and as long as logins are remembered."""
    assert logins_document(reader, POLICY, client, NOW_S) == LOGINS[client]


def test_limits() -> None:
    """The limits are those that hold for the client."""
    assert limit_texts(POLICY, CLIENT) == ["3 in 1d"]
    assert limit_texts(POLICY, OTHER) == ["5 in 10m", "10 in 24h", "15 in 7d"]


def test_networks() -> None:
    """A host is counted as its network, and lies within it and within no other family's."""
    host = parse_network("2001:db8::7")
    assert counted_as(host, 32, 64) == IPV6
    assert counted_as(NETWORK, 32, 64) == NETWORK
    assert is_within(host, IPV6)
    assert is_within(CLIENT, CLIENT)
    assert not is_within(NETWORK, CLIENT)
    assert not is_within(CLIENT, parse_network("::/0"))
    assert not is_within(host, parse_network("0.0.0.0/0"))


@pytest.mark.parametrize("text", ["K7Q2ABCD", "k7q2abcd", " K7Q2ABCD.\n", '("K7Q2ABCD")'])
def test_reference_as_it_is_copied(text: str) -> None:
    """A reference is found in either case and with what surrounded it."""
    assert reference_in(text) == "K7Q2ABCD"
