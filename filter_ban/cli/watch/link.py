# SPDX-License-Identifier: ISC
"""The daemon at the end of a thread, so that the view lives on while it hangs or restarts."""

import contextlib
import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Self

from filter_ban.cli.daemon_client import DaemonClient
from filter_ban.cli.failures import Failure, Unavailable
from filter_ban.cli.watch.errands import Answer, Errand


class Link:
    """
    Runs errands in order over one connection; a new one is made when that breaks.

    Args:
        connect: Finds the daemon.
        wake: Called in the thread when there is an answer to take.

    """

    def __init__(self, connect: Callable[[], DaemonClient], wake: Callable[[], None]) -> None:
        self._connect = connect
        self._wake = wake
        self._errands: queue.SimpleQueue[Errand | None] = queue.SimpleQueue()  # None: the end
        self._answers: deque[Answer] = deque()
        self._daemon: DaemonClient | None = None
        threading.Thread(
            target=self._run, daemon=True
        ).start()  # what it waits for must not keep us from leaving

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._errands.put(None)

    def send(self, errand: Errand) -> None:
        """Have *errand* done after those before it."""
        self._errands.put(errand)

    def take(self) -> list[Answer]:
        """Return the answers that have come."""
        taken = []
        while self._answers:
            taken.append(self._answers.popleft())
        return taken

    def _run(self) -> None:
        while (errand := self._errands.get()) is not None:
            self._answers.append(self._do(errand))
            self._wake()
        self._hang_up()

    def _do(self, errand: Errand) -> Answer:
        try:
            if self._daemon is None:
                self._daemon = self._connect()
            parts = self._daemon.ask(errand.command, silence_s=errand.silence_s, **errand.arguments)
            return Answer(errand, {key: value for part in parts for key, value in part.items()})
        except Unavailable as unavailable:
            self._hang_up()
            return Answer(errand, failure=unavailable.message, lost=True)
        except Failure as failure:
            return Answer(errand, failure=failure.message)

    def _hang_up(self) -> None:
        if self._daemon is not None:
            self._daemon.close()
            self._daemon = None


class Waker:
    """A pipe that ends a wait: for the thread, and for signals."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        os.set_blocking(self.write_end, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.read_end)
        write_end, self.write_end = self.write_end, -1
        os.close(write_end)

    def wake(self) -> None:
        """End the wait; one that has ended needs no more."""
        with contextlib.suppress(OSError):
            os.write(self.write_end, b"\0")

    def drain(self) -> None:
        """Take what has woken."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.read_end, 4096)
