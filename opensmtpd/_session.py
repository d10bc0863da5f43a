# SPDX-License-Identifier: ISC
"""
Sessions as the reports show them: two small state machines side by side, and some facts.

We only watch. So the machines are total: an event out of order is noted as an anomaly, the state follows what the
server said, and nothing is ever raised. The tables below are the whole of it.

Source: smtp_session.c of smtpd (smtp_reply() decides when tx reports are sent); the order of measured servers.
"""

import enum
from collections.abc import Mapping
from typing import Final

import attrs

from opensmtpd._address import Address
from opensmtpd._names import AuthResult, Fcrdns, Method, ReportName, TxResult
from opensmtpd._reports import (
    LinkAuth,
    LinkConnect,
    LinkDisconnect,
    LinkGreeting,
    LinkIdentify,
    LinkTls,
    Report,
    Timeout,
    TxBegin,
    TxCommit,
    TxData,
    TxEnvelope,
    TxMail,
    TxRcpt,
    TxReset,
    TxRollback,
)

DEFAULT_MAX_SESSIONS: Final = 65536


class Link(enum.Enum):
    """How far the dialogue is."""

    CONNECTED = "connected"
    GREETED = "greeted"
    IDENTIFIED = "identified"
    CLOSED = "closed"


class Tx(enum.Enum):
    """How far the transaction is."""

    NONE = "none"
    OPEN = "open"
    DATA = "data"


class Anomaly(enum.Enum):
    """What was not expected of a server; all of it is harmless to the tracker."""

    UNSEEN_CONNECT = "unseen-connect"
    UNEXPECTED_LINK = "unexpected-link"
    UNEXPECTED_TX = "unexpected-tx"


TRACKED: Final = (
    ReportName.LINK_CONNECT,
    ReportName.LINK_DISCONNECT,
    ReportName.LINK_GREETING,
    ReportName.LINK_IDENTIFY,
    ReportName.LINK_TLS,
    ReportName.LINK_AUTH,
    ReportName.TX_RESET,
    ReportName.TX_BEGIN,
    ReportName.TX_MAIL,
    ReportName.TX_RCPT,
    ReportName.TX_ENVELOPE,
    ReportName.TX_DATA,
    ReportName.TX_COMMIT,
    ReportName.TX_ROLLBACK,
    ReportName.TIMEOUT,
)
"""The events a tracker wants to see; register them."""

LINK_TABLE: Final[Mapping[tuple[Link, type[Report]], Link]] = {
    (Link.CONNECTED, LinkConnect): Link.CONNECTED,  # creates the session
    (Link.CONNECTED, LinkTls): Link.CONNECTED,  # smtps
    (Link.CONNECTED, LinkGreeting): Link.GREETED,  # missing where the connect request was refused
    (Link.CONNECTED, Timeout): Link.CONNECTED,
    (Link.CONNECTED, LinkDisconnect): Link.CLOSED,
    (Link.GREETED, LinkIdentify): Link.IDENTIFIED,
    (Link.GREETED, Timeout): Link.GREETED,
    (Link.GREETED, LinkDisconnect): Link.CLOSED,
    (Link.IDENTIFIED, LinkIdentify): Link.IDENTIFIED,
    (Link.IDENTIFIED, LinkTls): Link.GREETED,  # RFC 3207, 4.2: the identity is discarded
    (Link.IDENTIFIED, LinkAuth): Link.IDENTIFIED,
    (Link.IDENTIFIED, Timeout): Link.IDENTIFIED,
    (Link.IDENTIFIED, LinkDisconnect): Link.CLOSED,
}
LINK_RESYNC: Final[Mapping[type[Report], Link]] = {
    LinkConnect: Link.CONNECTED,
    LinkGreeting: Link.GREETED,
    LinkIdentify: Link.IDENTIFIED,
    LinkAuth: Link.IDENTIFIED,
    LinkDisconnect: Link.CLOSED,
}
"""Where an event that was not expected leaves a session; others leave it where it is."""

TX_TABLE: Final[Mapping[tuple[Tx, type[Report], bool], Tx]] = {
    (Tx.NONE, TxMail, False): Tx.NONE,  # MAIL was refused, and no transaction began
    (Tx.NONE, TxBegin, True): Tx.OPEN,
    (Tx.NONE, TxReset, True): Tx.NONE,  # RSET without a transaction
    (Tx.OPEN, TxMail, True): Tx.OPEN,
    (Tx.OPEN, TxMail, False): Tx.OPEN,
    (Tx.OPEN, TxRcpt, True): Tx.OPEN,
    (Tx.OPEN, TxRcpt, False): Tx.OPEN,
    (Tx.OPEN, TxEnvelope, True): Tx.OPEN,
    (Tx.OPEN, TxData, True): Tx.DATA,
    (Tx.OPEN, TxData, False): Tx.OPEN,
    (Tx.OPEN, TxCommit, True): Tx.OPEN,  # tx-reset follows, as after each of the next three
    (Tx.OPEN, TxRollback, True): Tx.OPEN,
    (Tx.DATA, TxCommit, True): Tx.DATA,
    (Tx.DATA, TxRollback, True): Tx.DATA,
    (Tx.OPEN, TxReset, True): Tx.NONE,
    (Tx.DATA, TxReset, True): Tx.NONE,
}
"""State, event and whether its result is ok (events without a result are)."""

TX_RESYNC: Final[Mapping[type[Report], Tx]] = {
    TxBegin: Tx.OPEN,
    TxMail: Tx.OPEN,
    TxRcpt: Tx.OPEN,
    TxData: Tx.DATA,
}

_LINK_EVENTS: Final = frozenset(event for _, event in LINK_TABLE)
_TX_EVENTS: Final = frozenset(event for _, event, _ in TX_TABLE)


def next_link(state: Link, event: Report) -> tuple[Link, bool]:
    """Return the state after *event*, and whether *state* expected it."""
    kind = type(event)
    new = LINK_TABLE.get((state, kind))
    if new is not None:
        return new, True
    return LINK_RESYNC.get(kind, state), kind not in _LINK_EVENTS


def next_tx(state: Tx, event: Report) -> tuple[Tx, bool]:
    """Return the state after *event*, and whether *state* expected it."""
    kind = type(event)
    accepted = getattr(event, "result", TxResult.OK) is TxResult.OK
    new = TX_TABLE.get((state, kind, accepted))
    if new is not None:
        return new, True
    return TX_RESYNC.get(kind, state) if accepted else state, kind not in _TX_EVENTS


@attrs.define
class Session:
    """What is known of a session; wire text where text is (see `readable`)."""

    session: str
    start_s: float
    link: Link = Link.CONNECTED
    tx: Tx = Tx.NONE
    rdns: str = ""
    fcrdns: Fcrdns | None = None
    src: Address | None = None
    dst: Address | None = None
    tls: str = ""
    method: Method | None = None
    identity: str = ""
    username: str | None = None  # of the login that passed
    failed_logins: int = 0
    refused_recipients: int = 0
    messages: int = 0
    timed_out: bool = False
    anomalies: set[Anomaly] = attrs.Factory(set)


class SessionTracker:
    """
    The live sessions, fed with reports.

    Args:
        max_sessions: Beyond it the session that was silent longest is dropped and counted in ``dropped``.

    """

    def __init__(self, *, max_sessions: int = DEFAULT_MAX_SESSIONS) -> None:
        self._max_sessions = max_sessions
        self._sessions: dict[str, Session] = {}
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, session: str) -> Session | None:
        """Return a live session, or None."""
        return self._sessions.get(session)

    def update(self, report: Report) -> Session | None:
        """
        Take in *report* and return its session (after link-disconnect for the last time), or None if it names none.

        A session that was never seen to connect is made up, with an anomaly.
        """
        if not report.session:
            return None
        session = self._sessions.pop(report.session, None)
        if isinstance(report, LinkConnect):
            anomalies = {Anomaly.UNEXPECTED_LINK} if session else set()
            session = Session(report.session, report.time_s, anomalies=anomalies)
        elif session is None:
            session = Session(report.session, report.time_s, anomalies={Anomaly.UNSEEN_CONNECT})
        _advance(session, report)
        _note_facts(session, report)
        if session.link is not Link.CLOSED:
            if len(self._sessions) >= self._max_sessions:
                del self._sessions[next(iter(self._sessions))]
                self.dropped += 1
            self._sessions[session.session] = session
        return session


def _advance(session: Session, report: Report) -> None:
    session.link, link_expected = next_link(session.link, report)
    session.tx, tx_expected = next_tx(session.tx, report)
    if Anomaly.UNSEEN_CONNECT in session.anomalies:
        return
    if not link_expected:
        session.anomalies.add(Anomaly.UNEXPECTED_LINK)
    if not tx_expected:
        session.anomalies.add(Anomaly.UNEXPECTED_TX)


def _note_facts(session: Session, report: Report) -> None:
    match report:
        case LinkConnect():
            session.rdns, session.fcrdns, session.src, session.dst = (
                report.rdns,
                report.fcrdns,
                report.src,
                report.dst,
            )
        case LinkTls():
            session.tls, session.method, session.identity = report.tls, None, ""
        case LinkIdentify():
            session.method, session.identity = report.method, report.identity
        case LinkAuth(result=AuthResult.PASS):
            session.username = report.username
        case LinkAuth(result=AuthResult.FAIL):
            session.failed_logins += 1
        case TxRcpt(result=TxResult.PERMFAIL):
            session.refused_recipients += 1
        case TxCommit():
            session.messages += 1
        case Timeout():
            session.timed_out = True
        case _:
            pass
