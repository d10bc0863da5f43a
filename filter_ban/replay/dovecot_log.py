# SPDX-License-Identifier: ISC
"""
Signals from the log of Dovecot 2.3 and 2.4.

A session's failures are summed up when it ends (``auth failed, 3 attempts in 10 secs``), but not if a login follows them;
lines of ``auth`` tell of each, with the user and whether there is such a one, but only with ``auth_verbose``. So lines
of ``auth`` count, and of a sum only what exceeds those of its session.

Logins that Postfix asks about have no session name in lines of ``auth``. Postfix's log always has them, so they are
left to its reader, which learns here what they were; they count where Postfix's log is said to be absent. A login that
asks several password databases has a line for each; it counts as often.

What the policy server refused is not counted.
"""

import re
from typing import Final

from filter_ban.model import Kind
from filter_ban.replay.log_reader import LogReader, Sessions
from filter_ban.replay.password_checks import PasswordChecks
from filter_ban.replay.syslog import Entry
from filter_ban.signals import Signal

_MAX_ATTEMPTS: Final = 100  # in one session: by default Dovecot ends it after three minutes
_LEVEL: Final = r"(?:Info: |Error: |Warning: )?"

# 2.3: passwd-file(user,address,<session>): text; greedy, for a user's name may hold all of that
_AUTH_23: Final = re.compile(
    rf"auth(?:-worker)?(?:\((?:\d+|default)\))?: {_LEVEL}(?:conn \S+ \(pid=\d+,uid=\d+\): (?:auth-worker<\d+>: )?)?"
    r"[\w-]+\((.*),([0-9A-Fa-f:.]+)(?:,<([^<>]*)>)?\): (.*)"
)
# 2.4: auth(user,address,sasl:plain)<session>: passwd-file: text
_AUTH_24: Final = re.compile(
    rf"auth(?:-worker)?\((.*),([0-9A-Fa-f:.]+)(?:,sasl:[\w-]+)?\)(?:<([^<>]*)>)?: {_LEVEL}(?:[\w-]+: )?(.*)"
)
_WHO: Final = r"(?:user=<(.*)>, )?(?:method=[\w-]+, )?rip=([^\s,]+)(?:, |$)"
_LOGIN: Final = re.compile(rf"(\w+)-login: {_LEVEL}(?:Login|Logged in): {_WHO}")
_ENDED: Final = re.compile(
    rf"(\w+)-login: {_LEVEL}[^<>]*\((?:auth failed, (\d+) attempts|tried to use )[^<>]*: {_WHO}"
    r"(?:.*session=<([^<>]*)>)?"
)
_REFUSED: Final = "Authentication failure due to policy server refusal"
_UNKNOWN_USER: Final = re.compile(
    r"unknown user|.*User not known to the underlying authentication module", re.IGNORECASE
)
_WRONG: Final = re.compile(
    r"password mismatch|invalid credentials|.*authentication failure|allow_nets check failed|empty username"
    r"|invalid input|username character disallowed|credentials rejected",
    re.IGNORECASE,
)
_MALFORMED: Final = re.compile(r"invalid base64", re.IGNORECASE)


class DovecotLog(LogReader):
    """
    Reads lines of auth and of the login services.

    Args:
        for_postfix: Where to leave what Postfix's log has a line on; None: it is not read.

    """

    def __init__(self, for_postfix: PasswordChecks | None) -> None:
        super().__init__()
        self._for_postfix = for_postfix
        self._told: Sessions[int] = Sessions()  # failures by session

    def read(self, entry: Entry) -> list[Signal]:
        """Return what *entry* tells of; its text begins with the name of the service."""
        text = entry.text
        if text.startswith("auth"):
            match = _AUTH_23.match(text) or _AUTH_24.match(text)
            return [] if match is None else self._auth(entry, *match.groups())
        if match := _LOGIN.match(text):
            service, user, address = match.groups()
            return [self._signal(entry, Kind.AUTH_PASS, address, f"dovecot {service}", user or "")]
        if match := _ENDED.match(text):
            return self._ended(entry, *match.groups())
        return []

    def _auth(self, entry: Entry, user: str, address: str, session: str | None, text: str) -> list[Signal]:
        is_refused = text.startswith(_REFUSED)
        kind = None if is_refused else _kind(text)
        if kind is None and not is_refused:
            return []
        if session:
            self._told[session] = self._told.get(session, 0) + 1
        elif self._for_postfix is not None:
            self._for_postfix.note(address, entry.time_s, kind)
            return []
        if kind is None:
            return []
        return [self._signal(entry, kind, address, "dovecot", "" if user == "?" else user)]

    def _ended(  # noqa: PLR0917 - the fields of the line
        self,
        entry: Entry,
        service: str,
        attempts: str | None,
        user: str | None,
        address: str,
        session: str | None,
    ) -> list[Signal]:
        told = self._told.pop(session, 0) if session else 0
        kind = Kind.AUTH_FAIL if attempts else Kind.AUTH_ABORT
        count = min(int(attempts or 1), _MAX_ATTEMPTS) - told
        return [self._signal(entry, kind, address, f"dovecot {service}", user or "")] * max(0, count)


def _kind(text: str) -> Kind | None:
    if _UNKNOWN_USER.match(text):
        return Kind.UNKNOWN_USER
    if _WRONG.match(text):
        return Kind.AUTH_FAIL
    return Kind.AUTH_ABORT if _MALFORMED.match(text) else None
