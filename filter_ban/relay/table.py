# SPDX-License-Identifier: ISC
"""
The relay's core: live sessions, open requests, and the one answer that each request gets.

Lines and times go in, bytes for smtpd and for the daemon pile up in two buffers; no descriptor, no clock. Times are
monotonic seconds. While the link is not ready, requests are parked and reports kept for the daemon to come.
"""

from math import inf

from filter_ban.relay import wire
from filter_ban.relay.backlog import Backlog
from filter_ban.relay.sessions import Sessions

MAX_REQUESTS = 10_000
MAX_REQUEST_BYTES = 1024 * 1024  # of all open requests together
MAX_UNSENT_BYTES = 1024 * 1024  # beyond a replay; a daemon that leaves more than that unread is hung
PROMPT_S = 0.02  # what any answer may take: never charged to a session, never refused to one
SILENCE_S = 0.2  # a daemon that was given less than this is late, not hung


class Request:
    """An open filter request."""

    __slots__ = ("asked_s", "limit_s", "line", "token")

    def __init__(self, token: bytes, line: bytes, asked_s: float, limit_s: float) -> None:
        self.token = token
        self.line = line
        self.asked_s = asked_s
        self.limit_s = limit_s  # when the session's patience ends


class Table:
    """
    All that the relay knows.

    Args:
        now_s: Start of the first outage: no daemon is known yet.
        on_trouble: The decision where the daemon's own is not to be had.
        deadline_s: Longest that a session waits for the daemon in all.

    """

    def __init__(self, now_s: float, *, on_trouble: bytes = wire.PROCEED, deadline_s: float = 1.0) -> None:
        self.to_smtpd = bytearray()
        self.to_daemon = bytearray()
        self.ready = False
        self.outage_s = now_s  # when the last outage began
        self.unasked = 0  # requests answered without the daemon
        self.late = 0  # results that no open request waited for
        self._on_trouble = on_trouble
        self._deadline_s = deadline_s
        self._requests: dict[bytes, Request] = {}  # by session: one of smtpd's has at most one open
        self._request_bytes = 0
        self._sessions = Sessions()
        self._backlog = Backlog()
        self._ready_s = now_s
        self._trusted = False  # has given a good answer on this link
        self._max_unsent = 0
        self._next_s = inf  # no request is overdue before

    def read_smtpd(self, line: bytes, now_s: float) -> bool:
        """Take a report or request from smtpd; return False if it is unreadable, which makes it nothing at all."""
        if report := wire.parse_report(line):
            self._report(*report, line)
        elif request := wire.parse_request(line):
            self._request(*request, line, now_s)
        else:
            return False
        return True

    def read_daemon(self, line: bytes, now_s: float) -> bool:
        """Take a result from the daemon; return False if it is none that smtpd would accept."""
        result = wire.parse_result(line)
        if result is None:
            return False
        session, token, decision = result
        request = self._requests.get(session)
        if request is None or request.token != token:
            self.late += 1
        else:
            self._trusted = True
            self._answer(session, decision, now_s)
        return True

    def link_ready(self, now_s: float) -> None:
        """Tell a daemon that has just proved alive what it missed, and ask it again what is still open."""
        self.ready = True
        self._ready_s = now_s
        self._trusted = False
        self.to_daemon += self._backlog.drain()
        for request in self._requests.values():
            self.to_daemon += request.line + b"\n"
        self._max_unsent = len(self.to_daemon) + MAX_UNSENT_BYTES
        self._next_s = -inf

    def link_lost(self, now_s: float, silent_since_s: float | None = None) -> bool:
        """
        Park the open requests and begin to keep reports; return whether the daemon had served on this link.

        The outage of a daemon that never served goes on: nobody waits again for one that only says it is ready.

        Args:
            now_s: When the loss was noticed.
            silent_since_s: When it fell silent, if it was found hung; None: it was lost just now.

        """
        served = self.ready and (self._trusted or now_s - self._ready_s >= self._deadline_s)
        if served:
            self.outage_s = now_s if silent_since_s is None else silent_since_s
        if self.ready:
            self._backlog.start(self._sessions.openings())
            for line in bytes(self.to_daemon).split(b"\n"):
                if wire.parse_report(line):  # unsent and whole
                    self._backlog.add(line)
        self.ready = False
        self.to_daemon.clear()
        self._next_s = -inf
        return served

    def expire(self, now_s: float) -> float | None:
        """
        Answer the overdue requests for the daemon.

        Returns: since when the daemon has owed an answer, if that makes it hung; else None.

        """
        if now_s < self._next_s:
            return None
        silent_since_s = inf
        for session, request in list(self._requests.items()):
            if now_s >= self._deadline(request):
                silent_since_s = min(silent_since_s, max(request.asked_s, self._ready_s))
                self._answer_in_trouble(session, now_s)
        self._next_s = min(map(self._deadline, self._requests.values()), default=inf)
        hung = self.ready and now_s - silent_since_s >= min(SILENCE_S, self._deadline_s)
        return silent_since_s if hung else None

    def next_s(self) -> float:
        """Return when :meth:`expire` has something to do next, or infinity."""
        return self._next_s

    def overfull(self) -> bool:
        """Return whether the daemon leaves so much unread that it counts as hung."""
        return self.ready and len(self.to_daemon) > self._max_unsent

    def answer_all(self, now_s: float) -> None:
        """Answer every open request without the daemon."""
        for session in list(self._requests):
            self._answer_in_trouble(session, now_s)

    def _report(self, event: bytes, session: bytes, line: bytes) -> None:
        if self.ready:
            self.to_daemon += line + b"\n"
        elif not self._backlog.add(line):
            self._backlog.start(self._sessions.openings())
            self._backlog.add(line)
        self._sessions.report(event, session, line)

    def _request(self, session: bytes, token: bytes, line: bytes, now_s: float) -> None:
        if session in self._requests:  # smtpd never does this; if it did, each still gets its one answer
            self._answer_in_trouble(session, now_s)
        patience_s = self._deadline_s - self._sessions.waited_s(session)
        if self.ready:
            self.to_daemon += line + b"\n"
        request = Request(token, line, now_s, now_s + patience_s)
        self._requests[session] = request
        self._request_bytes += len(line)
        self._next_s = min(self._next_s, self._deadline(request))
        if len(self._requests) > MAX_REQUESTS or self._request_bytes > MAX_REQUEST_BYTES:
            self._answer_in_trouble(session, now_s)

    def _deadline(self, request: Request) -> float:
        if self.ready:
            return max(request.limit_s, request.asked_s + PROMPT_S)
        return min(request.limit_s, self.outage_s + self._deadline_s)

    def _answer_in_trouble(self, session: bytes, now_s: float) -> None:
        self.unasked += 1
        self._answer(session, self._on_trouble, now_s)

    def _answer(self, session: bytes, decision: bytes, now_s: float) -> None:
        request = self._requests.pop(session)
        self._request_bytes -= len(request.line)
        self.to_smtpd += wire.encode_result(session, request.token, decision)
        waited_s = now_s - request.asked_s
        if waited_s > PROMPT_S:
            self._sessions.charge(session, waited_s)
