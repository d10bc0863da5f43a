# SPDX-License-Identifier: ISC
"""Sessions: the state machines over the whole product of states and events, the facts, the bounds."""

from typing import Any

import attrs
import pytest

from opensmtpd import (
    TRACKED,
    Address,
    Anomaly,
    AuthResult,
    DecisionName,
    Fcrdns,
    FilterResponse,
    Link,
    LinkAuth,
    LinkConnect,
    LinkDisconnect,
    LinkGreeting,
    LinkIdentify,
    LinkTls,
    Method,
    Phase,
    ProtocolClient,
    Report,
    Session,
    SessionTracker,
    Timeout,
    Tx,
    TxBegin,
    TxCommit,
    TxData,
    TxEnvelope,
    TxMail,
    TxRcpt,
    TxReset,
    TxResult,
    TxRollback,
    UnknownReport,
)
from opensmtpd._session import LINK_TABLE, TX_TABLE, next_link, next_tx

S = "52c503ee57499eb6"
ID = (10.0, S)
MSG = (*ID, "c2eb6a1f")
CONNECT = LinkConnect(*ID, "mx.example.org", Fcrdns.PASS, Address("192.0.2.7:1"), Address("192.0.2.1:25"))
EHLO = LinkIdentify(*ID, Method.EHLO, "client.example.net")
OK, PERMFAIL = TxResult.OK, TxResult.PERMFAIL
EVENTS: list[Report] = [
    CONNECT,
    LinkDisconnect(*ID),
    LinkGreeting(*ID, "mx"),
    EHLO,
    LinkTls(*ID, "TLSv1.3:X:256"),
    LinkAuth(*ID, AuthResult.PASS, "alice"),
    LinkAuth(*ID, AuthResult.FAIL, "alice"),
    LinkAuth(*ID, AuthResult.ERROR, "alice"),
    Timeout(*ID),
    TxReset(*MSG),
    TxBegin(*MSG),
    TxMail(*MSG, OK, "x"),
    TxMail(*MSG, PERMFAIL, "x"),
    TxRcpt(*MSG, OK, "x"),
    TxRcpt(*MSG, PERMFAIL, "x"),
    TxEnvelope(*MSG, S),
    TxData(*MSG, OK),
    TxData(*MSG, PERMFAIL),
    TxCommit(*MSG, 1),
    TxRollback(*MSG),
    ProtocolClient(*ID, "NOOP"),
    FilterResponse(*ID, Phase.EHLO, DecisionName.PROCEED),
    UnknownReport(*ID, "link-moved", ()),
]


def feed(*events: Report) -> Session:
    """Return the session after *events*."""
    tracker = SessionTracker()
    for event in events[:-1]:
        tracker.update(event)
    session = tracker.update(events[-1])
    assert session is not None
    return session


@pytest.mark.parametrize(
    "event", EVENTS, ids=lambda event: f"{event.name} {getattr(event, 'result', '')}".strip()
)
def test_the_machines_are_total(event: Report) -> None:
    """Each event has a result in each state; what the tables do not list leaves the state or follows the server."""
    for link in Link:
        new_link, expected = next_link(link, event)
        listed = LINK_TABLE.get((link, type(event)))
        assert new_link is (listed or new_link)
        if listed:
            assert expected
        elif any(kind is type(event) for _, kind in LINK_TABLE):
            assert not expected
        else:
            assert (new_link, expected) == (link, True)
    accepted = getattr(event, "result", OK) is OK
    for tx in Tx:
        new_tx, expected = next_tx(tx, event)
        listed_tx = TX_TABLE.get((tx, type(event), accepted))
        assert new_tx is (listed_tx or new_tx)
        if listed_tx:
            assert expected
        elif any(kind is type(event) for _, kind, _ in TX_TABLE):
            assert not expected
        else:
            assert (new_tx, expected) == (tx, True)


@pytest.mark.parametrize("first", EVENTS)
def test_any_order_is_taken(first: Report) -> None:
    """No order of three events raises, and a disconnect always ends the session."""
    for second in EVENTS:
        for third in EVENTS:
            tracker = SessionTracker()
            for event in (first, second, third):
                tracker.update(event)
            tracker.update(LinkDisconnect(*ID))
            assert len(tracker) == 0


def test_tracked_events_are_those_of_the_tables() -> None:
    """What a tracker wants to see is what its tables know."""
    kinds: set[Any] = {kind for _, kind in LINK_TABLE} | {kind for _, kind, _ in TX_TABLE}
    assert {kind.name for kind in kinds} == set(TRACKED)


def test_facts_of_a_session() -> None:
    """What the reports said is there, and nothing else."""
    session = feed(
        CONNECT,
        LinkGreeting(*ID, "mx"),
        EHLO,
        LinkTls(*ID, "TLSv1.3:X:256"),
        EHLO,
        LinkAuth(*ID, AuthResult.FAIL, "alice"),
        LinkAuth(*ID, AuthResult.ERROR, "alice"),
        LinkAuth(*ID, AuthResult.PASS, "alice"),
        TxBegin(*MSG),
        TxMail(*MSG, OK, "x"),
        TxRcpt(*MSG, PERMFAIL, "x"),
        TxRcpt(*MSG, OK, "x"),
        TxEnvelope(*MSG, S),
        TxData(*MSG, OK),
        TxCommit(*MSG, 1),
        TxReset(*MSG),
        Timeout(*ID),
    )
    expected = Session(
        session=S,
        start_s=10.0,
        link=Link.IDENTIFIED,
        rdns="mx.example.org",
        fcrdns=Fcrdns.PASS,
        src=CONNECT.src,
        dst=CONNECT.dst,
        tls="TLSv1.3:X:256",
        method=Method.EHLO,
        identity="client.example.net",
        username="alice",
        failed_logins=1,
        refused_recipients=1,
        messages=1,
        timed_out=True,
    )
    assert attrs.asdict(expected) == attrs.asdict(session)


def test_starttls_discards_the_identity() -> None:
    """After STARTTLS a client has to say again who it is (RFC 3207, 4.2)."""
    session = feed(CONNECT, LinkGreeting(*ID, "mx"), EHLO, LinkTls(*ID, "x"))
    assert (session.link, session.method, session.identity) == (Link.GREETED, None, "")


def test_anomalies() -> None:
    """What was not expected is noted, once and for good; after an unseen connect anything is expected."""
    assert feed(LinkAuth(*ID, AuthResult.PASS, "x"), TxCommit(*MSG, 1)).anomalies == {Anomaly.UNSEEN_CONNECT}
    assert feed(CONNECT, LinkAuth(*ID, AuthResult.PASS, "x")).anomalies == {Anomaly.UNEXPECTED_LINK}
    assert feed(CONNECT, TxCommit(*MSG, 1)).anomalies == {Anomaly.UNEXPECTED_TX}
    again = feed(CONNECT, LinkTls(*ID, "x"), CONNECT)
    assert (again.anomalies, again.tls) == ({Anomaly.UNEXPECTED_LINK}, "")


def test_sessions_are_bounded() -> None:
    """The session that was silent longest is dropped, and counted."""
    tracker = SessionTracker(max_sessions=2)
    for number in range(3):
        tracker.update(LinkConnect(1.0, f"{number:016x}", "", Fcrdns.FAIL, CONNECT.src, CONNECT.dst))
        tracker.update(LinkGreeting(1.0, f"{0:016x}", "mx"))
    assert (len(tracker), tracker.dropped) == (2, 1)
    assert tracker.get(f"{0:016x}") is not None
    assert tracker.get(f"{1:016x}") is None


def test_reports_without_a_session() -> None:
    """A report that names no session makes none."""
    tracker = SessionTracker()
    assert tracker.update(UnknownReport(1.0, "", "entry", ("a",), subsystem="stats")) is None
    assert len(tracker) == 0
