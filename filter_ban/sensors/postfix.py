# SPDX-License-Identifier: ISC
"""
The Postfix sensor: policy requests are answered with verdicts, and what they truly show becomes signals.

Postfix asks nothing at AUTH, so failed logins are not among it; Dovecot tells those. Nor does it say when a session
ends: see `PostfixSensor.closed`.
"""

import functools
import logging
from collections.abc import Collection, Mapping
from typing import Final

import attrs

from filter_ban.client import ClientKey
from filter_ban.helo import is_bad
from filter_ban.logline import fact
from filter_ban.model import Ban, Kind
from filter_ban.sensors.sensor import MAX_USER, Means, Sensor
from filter_ban.text import excerpt
from postfix_policy import (
    MAX_TEXT_LENGTH,
    Action,
    Dunno,
    LocalProtocolError,
    PolicyRequest,
    ProtocolState,
    Reject,
    Reply,
)
from postfix_policy.aio import Peer

_log = logging.getLogger(__name__)
MAX_SESSIONS: Final = 10_000
MAX_ADDRESS: Final = 64  # RFC 4291, 2.2: 45 for an address; the rest is for a zone
MAX_PORT: Final = 5  # digits
MAX_SILENCE_S: Final = (
    600.0  # postconf(5), smtpd_timeout: 300 s; what is silent for longer is another session
)
SUBMISSION_CONTEXTS: Final = ("submission", "submissions", "smtps")
DUNNO: Final = Dunno()
UNDENIABLE: Final = Reply("421 4.7.0 Refused, try again later")
_CONNECT: Final = str(ProtocolState.CONNECT)
_SENDING: Final = (str(ProtocolState.MAIL), str(ProtocolState.RCPT))

SessionKey = tuple[str, str, str]  # client_address, client_port, server_port
Attributes = Mapping[str, str]


@attrs.define
class _Session:
    """What was counted in a session, so that it is counted once."""

    seen_s: float
    relays: bool = False
    bad_helo: bool = False
    user: str = ""  # who has logged in


@attrs.frozen
class _Opening:
    """A session that may end without a login."""

    session: SessionKey
    client: ClientKey
    service: str


class PostfixSensor(Sensor):
    """
    Decides on policy requests; never permits and never raises.

    Args:
        means: What every sensor works with.
        submission_ports: Of services where a client must log in before it sends.
        bad_helo: Names that only bots give themselves.

    """

    def __init__(
        self,
        means: Means,
        *,
        submission_ports: Collection[int],
        bad_helo: Collection[str],
    ) -> None:
        super().__init__(means)
        self.judge_by(submission_ports, bad_helo)
        self._sessions: dict[SessionKey, _Session] = {}
        self._openings: dict[int, _Opening] = {}  # by the number of the policy connection

    def judge_by(self, submission_ports: Collection[int], bad_helo: Collection[str]) -> None:
        """Go by these from now on; see the class."""
        self._submission_ports = frozenset(map(str, submission_ports))
        self._bad_helo = frozenset(bad_helo)

    # --- requests

    def decide(self, request: PolicyRequest, peer: Peer) -> Action:
        """Refuse a banned client; of others count what there is to count."""
        attributes = request.attributes
        client = self._clients.of(attributes.get("client_address", "")[:MAX_ADDRESS])
        if not client:
            return DUNNO
        ban = self._verdicts.ban_of(client)
        if attributes.get("protocol_state") == _CONNECT:
            self._begin(attributes, client, ban, peer)
        elif attributes.get("sasl_username"):
            self._logged_in(attributes, client)
        elif ban is None:
            self._not_logged_in(attributes, client)
        return (
            DUNNO
            if ban is None
            else _action(self._verdicts.refuse(ban, attributes.get("server_port", "")).text)
        )

    def closed(self, peer: Peer) -> None:
        """
        End what was under way on a connection.

        Postfix closes it up to some minutes after the session, and shows the end of one sooner only by the beginning of
        the next. A session without a login may have tried none, one or twenty: hence `Kind.NO_AUTH` is but a hint.
        """
        opening = self._openings.pop(peer.number, None)
        if opening is None:
            return
        session = self._sessions.get(opening.session)
        logged_in = session is not None and session.user
        if not logged_in and self._verdicts.ban_of(opening.client) is None:
            self.strike(Kind.NO_AUTH, opening.client, service=opening.service)

    # --- what requests show

    def _begin(self, attributes: Attributes, client: ClientKey, ban: Ban | None, peer: Peer) -> None:
        if self._openings:
            self.closed(peer)
        if self._sessions:
            self._sessions.pop(_session_key(attributes), None)
        if ban is None and self._engine.policy.weights[Kind.NO_AUTH] and self._is_submission(attributes):
            self._openings[peer.number] = _Opening(_session_key(attributes), client, _service(attributes))

    def _logged_in(self, attributes: Attributes, client: ClientKey) -> None:
        user = attributes["sasl_username"][:MAX_USER]
        session = self._session(attributes)
        if session.user != user:
            session.user = user
            self.credit(client, user)

    def _not_logged_in(self, attributes: Attributes, client: ClientKey) -> None:
        if is_bad(attributes.get("helo_name", ""), self._bad_helo, attributes.get("server_address", "")):
            session = self._session(attributes)
            if not session.bad_helo:
                session.bad_helo = True
                self.strike(Kind.BAD_HELO, client, service=_service(attributes))
        if (
            attributes.get("protocol_state") in _SENDING
            and not attributes.get("ccert_fingerprint")  # a certificate may be somebody's login
            and self._is_submission(attributes)
        ):
            session = self._session(attributes)
            if not session.relays:
                session.relays = True
                self.strike(Kind.RELAY_ATTEMPT, client, service=_service(attributes))

    def _is_submission(self, attributes: Attributes) -> bool:
        return (
            attributes.get("server_port") in self._submission_ports
            or attributes.get("policy_context", "").lower() in SUBMISSION_CONTEXTS
        )

    def _session(self, attributes: Attributes) -> _Session:
        """Return the session of a request, remembered from now on; where Postfix asks at RCPT only, it has no CONNECT."""
        now_s = self._clock()
        sessions = self._sessions
        key = _session_key(attributes)
        session = sessions.get(key)
        if session is None or now_s - session.seen_s > MAX_SILENCE_S:
            if len(sessions) >= MAX_SESSIONS:
                del sessions[next(iter(sessions))]
            session = sessions[key] = _Session(now_s)
        session.seen_s = now_s
        return session


def _session_key(attributes: Attributes) -> SessionKey:
    get = attributes.get
    return (
        get("client_address", "")[:MAX_ADDRESS],
        get("client_port", "")[:MAX_PORT],
        get("server_port", "")[:MAX_PORT],
    )


def _service(attributes: Attributes) -> str:
    """Return a service's name for people."""
    return excerpt(
        f"postfix {attributes.get('server_port') or attributes.get('policy_context', '')}".rstrip()
    )


@functools.lru_cache(maxsize=1024)
def _action(reply: str) -> Action:
    """Return the refusal that says *reply*, or as much of it as can be said; never anything but a refusal."""
    code, _, text = reply[:MAX_TEXT_LENGTH].partition(" ")
    text = text.strip(" ")
    try:
        return Reject(text) if code == Reject.word else Reply(f"{code} {text}")
    except LocalProtocolError as error:
        _log.warning(fact("reply-unsuitable", reply=reply, why=error, instead=UNDENIABLE.reply))
        return UNDENIABLE
