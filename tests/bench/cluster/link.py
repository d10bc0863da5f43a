# SPDX-License-Identifier: ISC
"""A simulated way from a node to a store: slow, lossy, and at times cut."""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import attrs

from tests.bench.cluster.store import Entry, Id, Store, StoreFull
from tests.bench.cluster.world import World

CONNECT_S: Final = 1.2  # this and the next two as the courier has them
ANSWER_S: Final = 2.0
BLOCK_S: Final = 0.5
RESET_S: Final = 0.25  # until a broken connection is noticed: about the time in which TCP sends again
_MOST: Final = 100
Answer = TypeVar("Answer")


@attrs.frozen(kw_only=True)
class Weather:
    """How long a message takes one way, at least and on average on top of that; and what share of calls breaks."""

    latency_s: float = 0.0005
    jitter_s: float = 0.0005
    loss: float = 0.0


class _Call:
    """One call: it is answered or fails, and that once."""

    def __init__(self, world: World, failed: Callable[[], None], timeout_s: float) -> None:
        self._is_open = True
        self._failed = failed
        world.after(timeout_s, self.fail)

    def close(self) -> bool:
        """Return whether it was open until now."""
        was_open, self._is_open = self._is_open, False
        return was_open

    def fail(self) -> None:
        """Tell the caller, unless it knows how the call has ended."""
        if self.close():
            self._failed()


class Link:
    """
    Calls of one node to one store.

    Whether the store has done what it was told, the caller of a call that failed cannot know.
    """

    def __init__(self, world: World, store: Store, weather: Weather) -> None:
        self.store = store
        self.is_cut = False
        self.weather = weather
        self._world = world
        self._restarts = store.restarts

    def connect(self, answered: Callable[[], None], failed: Callable[[], None]) -> None:
        """Begin anew; what was connected with a store before it was restarted fails from then on."""
        self._restarts = self.store.restarts
        self.call(lambda _: None, lambda _: answered(), failed, timeout_s=CONNECT_S)

    def call(
        self,
        do: Callable[[Store], Answer],
        answered: Callable[[Answer], None],
        failed: Callable[[], None],
        *,
        timeout_s: float = ANSWER_S,
    ) -> None:
        """Let the store *do* something, and be told what came of it."""
        call = _Call(self._world, failed, timeout_s)

        def arrive() -> None:
            try:
                answer = do(self._connected())
            except (StoreFull, ConnectionResetError):
                self._travel(call, call.fail)
                return
            self._travel(call, lambda: answered(answer) if call.close() else None)

        self._travel(call, arrive)

    def read(
        self,
        positions: Mapping[str, Id],
        answered: Callable[[Mapping[str, list[Entry]]], None],
        failed: Callable[[], None],
    ) -> None:
        """Read on from *positions*; where nothing is there, wait up to BLOCK_S for it."""
        call = _Call(self._world, failed, ANSWER_S)
        has_left = False

        def answer() -> None:
            nonlocal has_left
            if has_left:
                return
            has_left = True
            try:
                found = self._connected().read(positions, _MOST)
            except ConnectionResetError:
                self._travel(call, call.fail)
            else:
                self._travel(call, lambda: answered(found) if call.close() else None)

        def arrive() -> None:
            if self.store.restarts != self._restarts or self.store.read(positions, 1):
                answer()
            else:
                self.store.wait(positions, lambda: self._world.after(0, answer))
                self._world.after(BLOCK_S, answer)

        self._travel(call, arrive)

    def _connected(self) -> Store:
        if self.store.restarts != self._restarts:
            raise ConnectionResetError
        return self.store

    def _travel(self, call: _Call, arrive: Callable[[], None]) -> None:
        """Go one way, unless the connection breaks, which is noticed, or the link is cut, which is not."""
        chance, weather = self._world.chance, self.weather
        if chance.random() < weather.loss / 2:  # a call goes two ways
            self._world.after(RESET_S, call.fail)
            return
        delay_s = weather.latency_s + chance.expovariate(1 / weather.jitter_s)
        self._world.after(delay_s, lambda: None if self.is_cut else arrive())
