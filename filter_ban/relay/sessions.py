# SPDX-License-Identifier: ISC
"""The live sessions of smtpd: what a new daemon must be told about them, and how long each has waited. Pure."""

MAX_SESSIONS = 10_000
MAX_OPENING_BYTES = 1024 * 1024  # of all sessions together; smtpd's 500 sessions need about a fifth of it
MAX_REPORT_BYTES = 4096  # smtpd's own lines end at about 2,100


class Session:
    """One session: its opening reports as they were read, and the seconds it has waited for the daemon."""

    __slots__ = ("identify_at", "opening", "waited_s")

    def __init__(self) -> None:
        self.opening = b""
        self.identify_at = 0  # where in the opening the last link-identify begins
        self.waited_s = 0.0


class Sessions:
    """The live sessions, oldest first; the oldest are forgotten when they become too many or too large."""

    def __init__(self, max_sessions: int = MAX_SESSIONS, max_bytes: int = MAX_OPENING_BYTES) -> None:
        self._max_sessions = max_sessions
        self._max_bytes = max_bytes
        self._bytes = 0
        self._live: dict[bytes, Session] = {}

    def report(self, event: bytes, session: bytes, line: bytes) -> None:
        """Learn from one report; only those that open, identify or end a session matter."""
        if event == b"link-disconnect":
            self._drop(session)
        elif event == b"link-connect":
            self._drop(session)
            self._extend(session, line)
        elif event == b"link-tls":  # what was said before TLS is void: RFC 3207, 4.2
            self._extend(session, line)
        elif event == b"link-identify":
            self._extend(session, line, identifies=True)

    def waited_s(self, session: bytes) -> float:
        """Return the seconds that *session* has waited so far."""
        known = self._live.get(session)
        return known.waited_s if known else 0.0

    def charge(self, session: bytes, wait_s: float) -> None:
        """Add a wait to those of *session*."""
        self._get(session).waited_s += wait_s

    def openings(self) -> list[bytes]:
        """Return the opening reports of each live session, complete lines, oldest session first."""
        return [session.opening for session in self._live.values() if session.opening]

    def _extend(self, name: bytes, line: bytes, *, identifies: bool = False) -> None:
        if len(line) > MAX_REPORT_BYTES:
            return
        session = self._get(name)
        self._bytes -= len(session.opening)
        session.opening = session.opening[: session.identify_at] + line + b"\n"
        self._bytes += len(session.opening)
        if not identifies:
            session.identify_at = len(session.opening)
        self._bound()

    def _get(self, name: bytes) -> Session:
        session = self._live.get(name)
        if session is None:
            session = self._live[name] = Session()
            self._bound()
        return session

    def _drop(self, name: bytes) -> None:
        session = self._live.pop(name, None)
        if session:
            self._bytes -= len(session.opening)

    def _bound(self) -> None:
        while len(self._live) > self._max_sessions or self._bytes > self._max_bytes:
            self._drop(next(iter(self._live)))
