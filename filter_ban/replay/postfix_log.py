# SPDX-License-Identifier: ISC
"""
Signals from the log of Postfix's SMTP server.

Each failed login has a warning, which counts. An AUTH that was not offered, or that was lost under way, shows only as
one more of the failures in ``disconnect … auth=0/3``: what that line has more than was told before is counted as
aborted. The same for ``lost connection after AUTH`` and pipelining, for the versions before 3.0 that do not sum up.

Not counted is what the client could not help (the authentication server in trouble) and what was refused without a look
at the password: by a rate limit, a policy server, or access rules at CONNECT.
"""

import re
from collections.abc import Callable
from typing import Final

import attrs

from filter_ban.model import Kind
from filter_ban.replay.log_reader import LogReader, Sessions
from filter_ban.replay.password_checks import PasswordChecks
from filter_ban.replay.syslog import Entry
from filter_ban.signals import Signal

_CLIENT: Final = r"[^\s\[\]]+\[([0-9A-Fa-f:.]+(?:%\w+)?)\](?::\d+)?"  # name[address], perhaps with the port
_CONNECT: Final = re.compile(rf"connect from {_CLIENT}$")
_DISCONNECT: Final = re.compile(rf"disconnect from {_CLIENT}(?:.*? auth=(\d+)(?:/(\d+))?)?")
_SASL: Final = re.compile(rf"warning: {_CLIENT}: SASL \S+ authentication (failed|aborted)(?:: (.*))?")
_RATE_LIMIT: Final = re.compile(rf"warning: AUTH command rate limit exceeded: \d+ from {_CLIENT} ")
_BROKEN_OFF: Final = re.compile(
    rf"(?:\w+: )?(?:lost connection|timeout|improper command pipelining) after AUTH from {_CLIENT}"
)
_NO_TLS: Final = re.compile(rf"SSL_accept error from {_CLIENT}")
_LOST_AT_ONCE: Final = re.compile(rf"(?:\w+: )?lost connection after CONNECT from {_CLIENT}")
_REJECT: Final = re.compile(rf"\w+: reject: ([A-Z]+) from {_CLIENT}: (.*)")
_RELAY: Final = re.compile(
    r"5\d\d \S+ <.*?>: (?:Relay access denied"
    r"|(?:Recipient address|Sender address|Client host) rejected: Access denied); "
)
_QUEUED: Final = re.compile(rf"\w+: client={_CLIENT}(?:, .*?)?, sasl_username=([^,]*)")

_ANSWER_OF_OURS: Final = re.compile(r".* refused until .*, reference ")
_TROUBLE: Final = re.compile(
    r"Connection lost to authentication server|Authentication backend error|Temporary authentication failure"
    r"|Internal authentication failure|Application error|no mechanism available|Try later"
)
_MALFORMED: Final = re.compile(r"Invalid base64|Invalid authentication mechanism|bad protocol")
_UNAVAILABLE: Final = "(unavailable)"
_TLS_SERVICES: Final = ("smtps", "submissions")
_SUBMISSION_SERVICES: Final = ("submission", *_TLS_SERVICES)


@attrs.define
class _Session:
    """One process serves one session at a time."""

    address: str
    told: int = 0  # attempts to log in that were seen
    user: str | None = None  # who has logged in
    has_relayed: bool = False
    has_no_tls: bool = False
    is_refused: bool = False


class PostfixLog(LogReader):
    """
    Reads lines of smtpd.

    Args:
        checks: What Dovecot's log says of the logins.

    """

    def __init__(self, checks: PasswordChecks) -> None:
        super().__init__()
        self._checks = checks
        self._sessions: Sessions[_Session] = Sessions()
        self._forms: tuple[tuple[re.Pattern[str], Callable[..., list[Signal]]], ...] = (
            (_CONNECT, self._connect),
            (_DISCONNECT, self._disconnect),
            (_SASL, self._sasl),
            (_QUEUED, self._login),
            (_REJECT, self._reject),
            (_BROKEN_OFF, self._broken_off),
            (_RATE_LIMIT, self._rate_limited),
            (_NO_TLS, self._no_tls),
            (_LOST_AT_ONCE, self._lost_at_once),
        )

    def read(self, entry: Entry) -> list[Signal]:
        """Return what *entry* tells of."""
        for form, tell in self._forms:
            match = form.match(entry.text)
            if match is not None:
                return tell(entry, *match.groups())
        return []

    def _connect(self, entry: Entry, address: str) -> list[Signal]:
        self._sessions[entry.process] = _Session(address)
        return []

    def _session(self, entry: Entry, address: str) -> _Session:
        """Return the session of *entry*, a new one where its beginning is not in the log."""
        session = self._sessions.get(entry.process)
        if session is None or session.address != address:
            session = self._sessions[entry.process] = _Session(address)
        return session

    def _sasl(self, entry: Entry, address: str, outcome: str, details: str | None) -> list[Signal]:
        self._session(entry, address).told += 1
        reason, _, user = (details or "").partition(", sasl_username=")
        kind = self._checks.take(address, entry.time_s, _kind(outcome, reason))
        if kind is None:
            return []
        return [self._tell(entry, kind, address, "" if user == _UNAVAILABLE else user)]

    def _login(self, entry: Entry, address: str, user: str) -> list[Signal]:
        session = self._session(entry, address)
        if session.user == user:
            return []
        session.user = user
        return [self._tell(entry, Kind.AUTH_PASS, address, user)]

    def _disconnect(self, entry: Entry, address: str, good: str | None, total: str | None) -> list[Signal]:
        session = self._session(entry, address)
        self._sessions.pop(entry.process, None)
        passed = int(good or 0)
        if session.is_refused:
            return []
        if passed:
            return [] if session.user is not None else [self._tell(entry, Kind.AUTH_PASS, address)]
        return [self._tell(entry, Kind.AUTH_ABORT, address)] * max(0, int(total or 0) - session.told)

    def _reject(self, entry: Entry, phase: str, address: str, answer: str) -> list[Signal]:
        session = self._session(entry, address)
        if phase == "CONNECT":
            session.is_refused = True
            return []
        if session.has_relayed or session.user is not None or " sasl_username=" in answer:
            return []
        match = _RELAY.match(answer)
        if match is None or ("Relay access" not in match[0] and _service(entry) not in _SUBMISSION_SERVICES):
            return []
        session.has_relayed = True
        return [self._tell(entry, Kind.RELAY_ATTEMPT, address)]

    def _broken_off(self, entry: Entry, address: str) -> list[Signal]:
        session = self._session(entry, address)
        if session.told or session.is_refused:
            return []
        session.told = 1
        return [self._tell(entry, Kind.AUTH_ABORT, address)]

    def _rate_limited(self, entry: Entry, address: str) -> list[Signal]:
        self._session(entry, address).told += 1
        return []

    def _lost_at_once(self, entry: Entry, address: str) -> list[Signal]:
        return self._no_tls(entry, address) if _service(entry) in _TLS_SERVICES else []

    def _no_tls(self, entry: Entry, address: str) -> list[Signal]:
        session = self._session(entry, address)
        if session.has_no_tls or session.is_refused:
            return []
        session.has_no_tls = True
        return [self._tell(entry, Kind.NO_TLS, address)]

    def _tell(self, entry: Entry, kind: Kind, address: str, user: str = "") -> Signal:
        return self._signal(entry, kind, address, f"postfix {_service(entry)}", user)


def _kind(outcome: str, reason: str) -> Kind | None:
    """Return what a SASL warning tells of; None: not counted."""
    if outcome == "aborted" or _MALFORMED.match(reason):
        return Kind.AUTH_ABORT
    return None if _TROUBLE.match(reason) or _ANSWER_OF_OURS.match(reason) else Kind.AUTH_FAIL


def _service(entry: Entry) -> str:
    """Return the name of the service, which stands before ``smtpd``: ``postfix/submission/smtpd``."""
    name = entry.program.removesuffix("/smtpd").rpartition("/")[2]
    return "smtp" if name == "postfix" else name
