# SPDX-License-Identifier: ISC
"""How long sessions wait in all when the daemon is killed 50 times under load, and when it is stopped."""

import collections
import contextlib
import select
import signal
import time

from tests.bench.relay_rig import Rig, opening, request, rig, show

SESSIONS = 50
PAUSE_S = 0.02  # between an answer and the next request of a session
KILLS = 50
ORDINARY_S = 0.02  # what any answer may take; not counted as waiting
LIFE_S = 0.15  # of a daemon
STOP_S = 3.0


class Load:
    """Sessions that ask, wait, pause and ask again; their waits are added up."""

    def __init__(self, running: Rig) -> None:
        self.waits_s: dict[bytes, float] = collections.defaultdict(float)
        self.answers = 0
        self._stream = running.stream
        self._rest = b""
        self._asked_s: dict[bytes, float] = {}
        self._next_s = {b"%016x" % number: 0.0 for number in range(SESSIONS)}
        for number in range(SESSIONS):
            self._stream.sendall(b"".join(opening(number)))

    def run(self, for_s: float) -> None:
        """Go on for a time."""
        end_s = time.monotonic() + for_s
        while (now_s := time.monotonic()) < end_s:
            for session in [session for session, next_s in self._next_s.items() if now_s >= next_s]:
                del self._next_s[session]
                self._asked_s[session] = time.monotonic()
                self._stream.sendall(request(int(session, 16)))
            if select.select([self._stream], [], [], PAUSE_S / 10)[0]:
                self._read()

    def _read(self) -> None:
        *lines, self._rest = (self._rest + self._stream.recv(65536)).split(b"\n")
        now_s = time.monotonic()
        for line in lines:
            session = line.split(b"|")[1]
            wait_s = now_s - self._asked_s.pop(session)
            if wait_s > ORDINARY_S:
                self.waits_s[session] += wait_s
            self._next_s[session] = now_s + PAUSE_S
            self.answers += 1

    def longest_s(self) -> float:
        """Return the longest wait of a session in all, counting requests still open."""
        now_s = time.monotonic()
        for session, asked_s in self._asked_s.items():
            self.waits_s[session] += now_s - asked_s
        return max(self.waits_s.values(), default=0.0)


def main() -> None:
    """Print the figures."""
    with rig() as running:
        running.greet()
        load = Load(running)
        for _ in range(KILLS):
            with running.daemon():
                load.run(LIFE_S)
        show("relay_kills_answers", load.answers, "answers")
        show("relay_kills_longest_wait", load.longest_s(), "s")
    with rig() as running, contextlib.ExitStack() as stack:
        running.greet()
        process = stack.enter_context(running.daemon())
        running.exchange([request(0)], 1)
        process.send_signal(signal.SIGSTOP)
        load = Load(running)
        load.run(STOP_S)
        show("relay_stopped_longest_wait", load.longest_s(), "s")


if __name__ == "__main__":
    main()
