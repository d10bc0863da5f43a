# SPDX-License-Identifier: ISC
"""A mail server's log: which line is whose."""

import re
from collections.abc import Callable, Collection
from typing import Final

from filter_ban.replay.dovecot_log import DovecotLog
from filter_ban.replay.opensmtpd_log import OpensmtpdLog
from filter_ban.replay.password_checks import PasswordChecks
from filter_ban.replay.postfix_log import PostfixLog
from filter_ban.replay.syslog import Entry
from filter_ban.signals import Signal

OPENSMTPD: Final = "opensmtpd"
POSTFIX: Final = "postfix"
DOVECOT: Final = "dovecot"
SERVERS: Final = (OPENSMTPD, POSTFIX, DOVECOT)

_Read = Callable[[Entry], list[Signal]]
_MAX_PROGRAMS: Final = 1000  # names that logs may bring up


class Maillog:
    """
    Turns entries of any number of logs, in the order of time, into signals.

    Args:
        servers: Whose lines are read.

    """

    def __init__(self, servers: Collection[str] = SERVERS) -> None:
        self.unknown = 0  # lines that are no mail server's
        self._servers = servers
        self._opensmtpd = OpensmtpdLog()
        checks = PasswordChecks()
        self._dovecot = DovecotLog(checks if POSTFIX in servers else None)
        self._postfix = PostfixLog(checks)
        self._readers: dict[str, _Read] = {}
        self._forms: tuple[tuple[str, str, _Read], ...] = (  # names of programs
            (r"smtpd", OPENSMTPD, self._opensmtpd.read),
            (r".+/smtpd", POSTFIX, self._postfix.read),
            (r"dovecot", DOVECOT, self._dovecot.read),
            (r"auth|auth-worker|.+-login", DOVECOT, self._read_own_log),
        )

    @property
    def lost(self) -> int:
        """How many failures were left out because the log does not say from where they came."""
        return self._opensmtpd.lost

    def read(self, entry: Entry) -> list[Signal]:
        """Return what *entry* tells of."""
        program = entry.program
        read = self._readers.get(program)
        if read is None:
            if len(self._readers) >= _MAX_PROGRAMS:
                self._readers.clear()
            read = self._readers[program] = self._find(program)
        return read(entry)

    def _find(self, program: str) -> _Read:
        if not program:
            return self._read_bare
        if program.startswith("postfix") and not program.endswith("/smtpd"):
            return _nothing
        for names, server, read in self._forms:
            if re.fullmatch(names, program):
                return read if server in self._servers else _nothing
        return self._count_unknown

    def _read_own_log(self, entry: Entry) -> list[Signal]:
        """Read a line of Dovecot's own log, where the service stands in the place of the program."""
        return self._dovecot.read(entry._replace(text=f"{entry.program}: {entry.text}"))

    def _read_bare(self, entry: Entry) -> list[Signal]:
        """Read a line that names no program: of ``smtpd -d``, or of Dovecot 2.4's own log."""
        if entry.text.startswith(("auth(", "auth-worker(")):
            return self.read(entry._replace(program="dovecot"))
        if entry.text[16:22] == " smtp ":
            return self.read(entry._replace(program="smtpd"))
        return self._count_unknown(entry)

    def _count_unknown(self, entry: Entry) -> list[Signal]:  # noqa: ARG002 - one of the readers
        self.unknown += 1
        return []


def _nothing(entry: Entry) -> list[Signal]:  # noqa: ARG001 - one of the readers
    return []
