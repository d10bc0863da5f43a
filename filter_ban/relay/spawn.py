# SPDX-License-Identifier: ISC
"""A daemon of the relay's own, where none runs: started apart from smtpd and from the relay, seldom."""

import os
import signal
import sys
from math import inf

IGNORED_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0


class Pace:
    """
    When the next daemon may be started: at once, then 1, 2, 4 .. 60 seconds after the last start. Pure.

    The waits are for daemons that never get ready; one that did, and was killed, is followed by the next within 1 s.
    """

    def __init__(self) -> None:
        self._started_s = -inf
        self._wait_s = FIRST_WAIT_S

    def may_start(self, now_s: float) -> bool:
        """Return whether a daemon may be started now; if so, that is taken as done."""
        if now_s < self._started_s + self._wait_s:
            return False
        if self._started_s != -inf:
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
        self._started_s = now_s
        return True

    def was_ready(self) -> None:
        """Learn that a daemon works."""
        self._wait_s = FIRST_WAIT_S


def serve_argv(config: str | None) -> list[str]:
    """Return the command that starts a daemon; *config* is an absolute path or None for the default file."""
    return [sys.executable, "-m", "filter_ban", "serve", *(["--config", config] if config else [])]


def start_detached(argv: list[str]) -> None:
    """
    Start a program that outlives smtpd and the relay: own session, no descriptor but stderr, default signals.

    Raises:
        OSError: no process could be made. That *argv* cannot be run is not seen here.

    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)  # leaves at once: the grandchild is init's
        return
    try:
        os.setsid()
        if not os.fork():
            _become(argv)
    finally:
        os._exit(0)


def _become(argv: list[str]) -> None:
    for number in IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.execv(argv[0], argv)  # noqa: S606 - no shell, by design
