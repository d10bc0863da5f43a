# SPDX-License-Identifier: ISC
"""
The OpenSMTPD sensor: reports become signals, requests are answered with verdicts.

One sensor serves one smtpd (through its relay). Lines of the kinds that it registers come as rows, not as events:
decoding, counting and answering together must not cost much more than splitting the line (``make bench``). Hence one
small record for each session, and nothing is read in a row before it matters.
"""

import functools
from collections.abc import Collection
from typing import Final

import attrs

import opensmtpd
from filter_ban.client import ClientKey
from filter_ban.engine.history import NO_SECRET
from filter_ban.helo import is_bad, may_be_address
from filter_ban.model import Answer, Ban, Kind
from filter_ban.sensors.sensor import Means, Sensor
from opensmtpd import Row

REPORTS: Final = ("link-connect", "link-disconnect", "link-identify", "link-tls", "link-auth")
PHASES: Final = ("connect", "auth", "mail-from")
MAX_SESSIONS: Final = 10_000
_METHOD: Final = len("EHLO|")
_FAIL: Final = opensmtpd.AuthResult.FAIL
_PASS: Final = opensmtpd.AuthResult.PASS


@attrs.define
class _Session:
    """What is known of a live session."""

    opening: Row  # its link-connect
    unencrypted: bool  # on an smtps port, before the handshake
    guest: bool = False  # known from its beginning; nobody has logged in or relayed
    client: ClientKey | None = None  # once it has mattered
    tried: int | None = None  # tag of the secret of an AUTH that was let through and is not yet decided
    failed: tuple[str, int] | None = None  # user and secret of the last failed login
    bad_helo: bool = False  # counted


class OpensmtpdSensor(Sensor):
    """
    Bytes of one smtpd in, answers out; never raises, and answers each readable request exactly once.

    Args:
        means: What every sensor works with.
        smtps_ports: Of listeners that speak TLS from the start.
        submission_ports: Of listeners where a client must log in before it sends.
        bad_helo: Names that only bots give themselves.

    What smtpd refuses on its own it reports to nobody: AUTH where it is not offered or names no mechanism, and MAIL
    without a login on listeners with ``auth``; those with ``auth-optional`` show it.

    """

    def __init__(
        self,
        means: Means,
        *,
        smtps_ports: Collection[int],
        submission_ports: Collection[int],
        bad_helo: Collection[str],
    ) -> None:
        super().__init__(means)
        self.judge_by(smtps_ports, submission_ports, bad_helo)
        self._now_s = 0.0
        self._ban_of = self._verdicts.ban_of
        self._sessions: dict[str, _Session] = {}
        self._answers: list[str] = []
        self._let_connect = opensmtpd.answerer()
        self._let_log_in = opensmtpd.answerer()
        self._let_send = opensmtpd.answerer()
        self._protocol = opensmtpd.FilterProtocol(
            max_sessions=1,  # what has no route is answered at once: nothing has to be remembered
            routes={
                "link-connect": self._link_connect,
                "link-tls": self._link_tls,
                "link-auth": self._link_auth,
                "link-disconnect": self._link_disconnect,
                "connect": self._connect,
                "auth": self._auth,
                "mail-from": self._mail_from,
                "link-identify": self._link_identify,
            },
        )

    def judge_by(
        self, smtps_ports: Collection[int], submission_ports: Collection[int], bad_helo: Collection[str]
    ) -> None:
        """Go by these from now on; see the class."""
        self._smtps = _endings(smtps_ports)
        self._submission = _endings(submission_ports)
        self._bad_helo = frozenset(name.encode().decode("latin-1") for name in bad_helo)  # as rows have it

    def receive_data(self, data: bytes) -> bytes:
        """Take any cut of smtpd's stream; return the answers to the requests that it completes."""
        self._ban_of = self._verdicts.ban_of
        self._now_s = self._clock()
        for event in self._protocol.receive_data(data):
            self._unrouted(event)
        answers = "".join(self._answers)
        self._answers.clear()
        return answers.encode("latin-1")

    # --- reports

    def _link_connect(self, row: Row) -> None:
        session = opensmtpd.checked_session(row)
        sessions = self._sessions
        if len(sessions) >= MAX_SESSIONS:
            del sessions[next(iter(sessions))]
        sessions[session] = _Session(row, row[-1].endswith(self._smtps))

    def _link_identify(self, row: Row) -> None:
        name = row[6][_METHOD:]
        if name in self._bad_helo or may_be_address(name):
            self._judge_name(row, name)

    def _judge_name(self, row: Row, name: str) -> None:
        """Count a HELO name that does not pass at first sight, once a session."""
        session = self._sessions[row[5]]
        if not session.guest or session.bad_helo or self._ban_of(self._client(session)) is not None:
            return
        _, listener = opensmtpd.opening(session.opening)
        if is_bad(name, self._bad_helo, listener.rpartition(":")[0]):
            session.bad_helo = True
            self._strike(Kind.BAD_HELO, session, row)

    def _link_tls(self, row: Row) -> None:
        session = self._sessions.get(row[5])
        if session is not None:
            session.unencrypted = False

    def _link_auth(self, row: Row) -> None:
        session = self._sessions[row[5]]
        secret = session.tried or NO_SECRET
        session.tried = None
        result, user = opensmtpd.auth_result(row)
        if result is _FAIL:
            if secret:
                session.failed = user, secret
            elif session.failed is not None:
                secret = _repeated(session.failed, user)
                session.failed = None
            self._strike(Kind.AUTH_FAIL, session, row, user, secret)
        elif result is _PASS:
            session.guest = False
            # of a banned client: the password check had begun when the ban fell; the session ends at MAIL
            self.credit(session.client or self._client(session), user)

    def _link_disconnect(self, row: Row) -> None:
        session = self._sessions.pop(row[5], None)
        if session is None:
            return
        if session.tried is not None:
            self._strike(Kind.AUTH_ABORT, session, row)
        elif session.unencrypted:
            self._strike(Kind.NO_TLS, session, row)

    def _client(self, session: _Session) -> ClientKey:
        """Return the client of a session, also of one that began before this daemon."""
        client = session.client
        if client is None:
            address, _ = opensmtpd.opening(session.opening)
            client = session.client = self._clients.of(address)
        return client

    def _strike(
        self, kind: Kind, session: _Session, row: Row, user: str = "", secret: int = NO_SECRET
    ) -> None:
        self.counts[kind] += 1
        client = session.client or self._client(session)
        if client:
            time_s = float(row[2])
            if not 0.0 < time_s < self._now_s:
                time_s = self._now_s  # what has not happened yet, or makes no sense, is happening now
            _, listener = opensmtpd.opening(session.opening)
            self._tell(kind, client, time_s, user, secret, listener)

    # --- requests

    def _connect(self, row: Row) -> None:
        session = self._sessions[row[5]]
        client = session.client = self._clients.of(opensmtpd.connect_address(row))
        ban = self._ban_of(client)
        if ban is None or (ban.offence == 1 and session.unencrypted):
            # smtpd would send the reply in plain text before TLS: what may be a person is told at AUTH instead
            session.guest = True
            self._answers.append(self._let_connect(row))
        else:
            session.unencrypted = False
            self._refuse(row, session, ban, hang_up=True)

    def _auth(self, row: Row) -> None:
        session = self._sessions[row[5]]
        if session.tried is not None:
            session.tried = None
            self._strike(Kind.AUTH_ABORT, session, row)
        ban = self._ban_of(session.client or self._client(session))
        if ban is None:
            secret = opensmtpd.initial_response(row)
            session.tried = self._secrets.of(secret) if secret else NO_SECRET
            self._answers.append(self._let_log_in(row))
        else:
            self._refuse(row, session, ban)

    def _mail_from(self, row: Row) -> None:
        session = self._sessions[row[5]]
        ban = self._ban_of(session.client or self._client(session))
        if ban is None:
            if session.guest and session.opening[-1].endswith(self._submission):
                session.guest = False
                self._strike(Kind.RELAY_ATTEMPT, session, row)
            self._answers.append(self._let_send(row))
        else:
            self._refuse(row, session, ban)

    def _refuse(self, row: Row, session: _Session, ban: Ban, *, hang_up: bool = False) -> None:
        verdict = self._verdicts.refuse(ban, session.opening[-1])
        decision = _decision(verdict.text, hang_up or verdict.answer is Answer.DROP)
        self._answers.append(opensmtpd.answer_row(row, decision))

    # --- everything else

    def _unrouted(self, event: opensmtpd.Event) -> None:
        match event:
            case opensmtpd.Ready():
                self._answers.append(opensmtpd.registration(REPORTS, PHASES).decode())
            case opensmtpd.DataLine():
                self.counts["unexpected"] += 1  # is answered by lines, and only if it was registered
            case opensmtpd.FilterRequest() | opensmtpd.Malformed(session=str(), token=str()):
                self.counts["unexpected"] += 1
                self._answers.append(
                    opensmtpd.result_line(str(event.session), str(event.token), opensmtpd.PROCEED)
                )
            case opensmtpd.Malformed():
                self.counts["malformed"] += 1


def _endings(ports: Collection[int]) -> tuple[str, ...]:
    """Return how the listeners of *ports* end."""
    return tuple(f":{port}" for port in ports)


def _repeated(failed: tuple[str, int], user: str) -> int:
    """
    Return the secret that a login without a visible one, right after the *failed* one, is taken to have tried.

    Programs that fail with PLAIN try LOGIN at once, with the same password.
    """
    failed_user, secret = failed
    return secret if failed_user == user else NO_SECRET


@functools.lru_cache(maxsize=1024)
def _decision(reply: str, hang_up: bool) -> str:
    return opensmtpd.encode_decision(opensmtpd.Disconnect(reply) if hang_up else opensmtpd.Reject(reply))
