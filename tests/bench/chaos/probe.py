# SPDX-License-Identifier: ISC
"""Answers that must always come: Postfix asks each node again and again, whatever befalls the farm."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self

from postfix_policy import RemoteProtocolError
from tests.bench.chaos.story import Story
from tests.real.farm import Node
from tests.real.polling import wait_until

NEVER: Final = "10.99.0.0/16"  # never banned by configuration
FRIEND: Final = "10.99.0.9"
INNOCENT: Final = "198.18.99.9"  # does nothing
SLOW_S: Final = 1.0
_PAUSE_S: Final = 0.15
_BACK_S: Final = 20.0


class Probe:
    """
    A Postfix that asks all nodes that are there whether to let in who must be; while it is entered.

    Args:
        nodes: All of the farm.
        story: Where it is told what must not be.

    """

    def __init__(self, nodes: Sequence[Node], story: Story) -> None:
        self.slowest_s = 0.0
        self._nodes = nodes
        self._story = story
        self._asking = {node.name: threading.Lock() for node in nodes}
        self._absent: set[str] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._ask_all)

    def present(self) -> list[Node]:
        """Return the nodes that must answer now."""
        return [node for node in self._nodes if node.name not in self._absent]

    @contextlib.contextmanager
    def absent(self, node: Node) -> Iterator[None]:
        """Do not ask *node*; afterwards it must answer soon."""
        with self._asking[node.name]:
            self._absent.add(node.name)
            try:
                yield
                wait_until(lambda: _answers(node), f"{node.name} answers again", _BACK_S)
            finally:
                self._absent.discard(node.name)

    def _ask_all(self) -> None:
        while not self._stopped.wait(_PAUSE_S):
            for node in self._nodes:
                asking = self._asking[node.name]
                if asking.acquire(blocking=False):
                    try:
                        self._ask(node)
                    finally:
                        asking.release()

    def _ask(self, node: Node) -> None:
        for client in (INNOCENT, FRIEND):
            began_s = time.perf_counter()
            try:
                if node.refuses(client):
                    self._story.fault(f"{node.name} refuses {client}")
            except (OSError, RemoteProtocolError) as error:
                self._story.fault(f"{node.name} does not answer: {error!r}")
            took_s = time.perf_counter() - began_s
            self.slowest_s = max(self.slowest_s, took_s)
            if took_s > SLOW_S:
                self._story.fault(f"{node.name} answers after {took_s:.2f} s")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()


def _answers(node: Node) -> bool:
    try:
        node.refuses(INNOCENT)
        return bool(node.status())
    except (OSError, RemoteProtocolError, ValueError, LookupError):  # between two engines
        return False
