# SPDX-License-Identifier: ISC
"""What befalls the store, wires and nodes, each of them by chance and for a while; and how it heals."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeAlias

from tests.bench import cluster_farm
from tests.bench.chaos.acts import Acts
from tests.bench.chaos.probe import Probe
from tests.bench.chaos.story import Story
from tests.real.farm import Farm, Node

_LASTS_S: Final = (0.2, 5.0)
_FORGETFUL: Final = ("killed", "emptied")

Trouble: TypeAlias = Callable[[], contextlib.AbstractContextManager[None]]


class Troubles:
    """Troubles of the store, of each wire and of each node; several at a time, and of each of these one."""

    def __init__(self, farm: Farm, probe: Probe, acts: Acts, chance: random.Random, story: Story) -> None:
        self._farm = farm
        self._probe = probe
        self._acts = acts
        self._chance = chance
        self._story = story
        self._under_way: dict[str, tuple[float, contextlib.ExitStack]] = {}  # until when, and what ends it

    def one(self) -> None:
        """Let something befall something that is in no trouble yet."""
        node = self._chance.choice(self._probe.present())
        ways: tuple[tuple[str, dict[str, Trouble]], ...] = (
            ("the store", self._of_the_store()),
            (f"the wire of {node.name}", {"cut": partial(self._cut, node)}),
            (node.name, self._of(node)),
        )
        whose, known = self._chance.choices(ways, weights=(3, 1, 3))[0]
        what = self._chance.choice(list(known))
        is_last = node.name == whose and len(self._probe.present()) == 1
        if whose in self._under_way or is_last:
            return
        self._story.event(f"{whose}: {what}")
        stack = contextlib.ExitStack()
        self._under_way[whose] = (time.monotonic() + self._chance.uniform(*_LASTS_S), stack)
        stack.enter_context(known[what]())

    def heal(self, *, all_of_them: bool = True) -> None:
        """End what has lasted long enough, or *all_of_them*."""
        for whose, (end_s, stack) in list(self._under_way.items()):
            if all_of_them or time.monotonic() > end_s:
                self._story.note(f"{whose} is well again")
                del self._under_way[whose]
                stack.close()

    # --- of the store

    def _of_the_store(self) -> dict[str, Trouble]:
        troubles = {**cluster_farm.TROUBLES, "emptied": _emptied}
        return {name: partial(self._upset, name, trouble) for name, trouble in troubles.items()}

    @contextlib.contextmanager
    def _upset(
        self, name: str, trouble: Callable[[Farm], contextlib.AbstractContextManager[None]]
    ) -> Iterator[None]:
        if name in _FORGETFUL:  # and what nobody has read yet is lost
            is_read = len(self._under_way) == 1 and all(map(Node.is_current, self._farm.nodes))
            self._acts.lose(all_of_them=not is_read)
        with trouble(self._farm):
            yield

    # --- of a wire

    @contextlib.contextmanager
    def _cut(self, node: Node) -> Iterator[None]:
        self._farm.cut(node)
        yield
        self._farm.mend(node)

    # --- of a node

    def _of(self, node: Node) -> dict[str, Trouble]:
        return {
            "stopped": partial(self._stopped, node),
            "killed": partial(self._killed, node),
            "engine killed": partial(self._engine_killed, node),
            "courier killed": partial(_courier_killed, node),
            "courier hung": partial(_courier_hung, node),
            "reloaded": partial(_reloaded, node),
        }

    @contextlib.contextmanager
    def _stopped(self, node: Node) -> Iterator[None]:
        with self._probe.absent(node):
            node.stop()
            yield
            node.start()

    @contextlib.contextmanager
    def _killed(self, node: Node) -> Iterator[None]:
        self._acts.lose(all_of_them=False)
        with self._probe.absent(node):
            node.kill()
            yield
            node.start()

    @contextlib.contextmanager
    def _engine_killed(self, node: Node) -> Iterator[None]:
        self._acts.lose(all_of_them=False)
        with self._probe.absent(node):
            node.kill_part("filter_ban.daemon")
        yield


@contextlib.contextmanager
def _emptied(farm: Farm) -> Iterator[None]:
    farm.store.ask("FLUSHALL")
    yield


@contextlib.contextmanager
def _courier_killed(node: Node) -> Iterator[None]:
    _send(signal.SIGKILL, _couriers(node))
    yield


@contextlib.contextmanager
def _courier_hung(node: Node) -> Iterator[None]:
    couriers = _couriers(node)
    _send(signal.SIGSTOP, couriers)
    yield
    _send(signal.SIGCONT, couriers)


@contextlib.contextmanager
def _reloaded(node: Node) -> Iterator[None]:
    os.kill(node.pid, signal.SIGHUP)
    yield


def _couriers(node: Node) -> list[int]:
    """Return the pid of the courier; nothing while it is being replaced."""
    try:
        return [node.pid_of("filter_ban.courier")]
    except (LookupError, OSError):
        return []


def _send(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
