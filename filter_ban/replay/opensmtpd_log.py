# SPDX-License-Identifier: ISC
"""
Signals from the log of OpenSMTPD 6 and 7.

The address of a client is said where its session begins; in logs before 6.4 on each line. A failure for which no
address is known is counted as ``lost`` and left out.

A failed login has two lines, ``authentication … result=permfail`` and ``failed-command … 535``. The first one counts,
because it has the user; the second where the first is missing or was cut by a control character in the name.
"""

import re
from typing import Final

import attrs

from filter_ban.model import Kind
from filter_ban.replay.log_reader import LogReader, Sessions
from filter_ban.replay.syslog import Entry
from filter_ban.signals import Signal

SERVICE: Final = "opensmtpd"
_EVENT: Final = re.compile(r"([0-9a-f]{16}) smtp (?:event=)?([a-z-]+) ?(?:address=(\S+) host=\S+ ?)?(.*)")
_AUTHENTICATION: Final = re.compile(r"user=(\S*) (?:address=(\S+) host=\S+ )?result=([a-z]+)$")
_FAILED_COMMAND: Final = re.compile(r'command="(.*)" result="(\d{3}) (.*)"$')
_AUTH: Final = re.compile(r"AUTH\b", re.IGNORECASE)
_NO_TLS: Final = re.compile(r'reason="io-error: (?:handshake failed|error:[0-9A-F]+:SSL|No TLS error)')
_UNDECIDED: Final = ("500", "501", "503", "504")  # AUTH malformed, cancelled, not offered; mechanism unknown
_NEEDS_LOGIN: Final = "Must issue an AUTH command first"


@attrs.define
class _Session:
    address: str = ""
    has_tls: bool = False
    has_login: bool = False
    has_relayed: bool = False
    is_told: bool = False  # whether a failure was counted whose second line is still to come


class OpensmtpdLog(LogReader):
    """Reads lines of smtpd."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0
        self._sessions: Sessions[_Session] = Sessions()

    def read(self, entry: Entry) -> list[Signal]:
        """Return what *entry* tells of."""
        match = _EVENT.match(entry.text)
        if match is None:
            return []
        name, event, address, details = match.groups()
        session = self._sessions.get(name)
        if session is None:
            session = self._sessions[name] = _Session()
        if address:
            session.address = address
        match event:
            case "tls" | "starttls":
                session.has_tls = True
            case "authentication":
                return self._authentication(entry, session, details)
            case "failed-command":
                return self._failed_command(entry, session, details)
            case "disconnected" | "closed":
                del self._sessions[name]
                if not session.has_tls and _NO_TLS.match(details):
                    return self._tell(entry, Kind.NO_TLS, session)
        return []

    def _authentication(self, entry: Entry, session: _Session, details: str) -> list[Signal]:
        match = _AUTHENTICATION.match(details)
        if match is None:
            return []
        user, address, result = match.groups()
        if address:
            session.address = address
        if result == "ok":
            session.has_login = True
            return self._tell(entry, Kind.AUTH_PASS, session, user)
        if result == "permfail":
            session.is_told = True
            return self._tell(entry, Kind.AUTH_FAIL, session, user)
        return []

    def _failed_command(self, entry: Entry, session: _Session, details: str) -> list[Signal]:
        match = _FAILED_COMMAND.match(details)
        if match is None:
            return []
        command, code, text = match.groups()
        if _AUTH.match(command):
            if code == "535":
                is_told, session.is_told = session.is_told, False
                return [] if is_told else self._tell(entry, Kind.AUTH_FAIL, session)
            if code in _UNDECIDED and not session.has_login:
                return self._tell(entry, Kind.AUTH_ABORT, session)
        elif code == "530" and _NEEDS_LOGIN in text and not session.has_relayed:
            session.has_relayed = True
            return self._tell(entry, Kind.RELAY_ATTEMPT, session)
        return []

    def _tell(self, entry: Entry, kind: Kind, session: _Session, user: str = "") -> list[Signal]:
        if not session.address:
            self.lost += 1
            return []
        return [self._signal(entry, kind, session.address, SERVICE, user)]
