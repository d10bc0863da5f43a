# SPDX-License-Identifier: ISC
"""How far a node has read, and what it must not believe twice: kept in the ledger as names and texts."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

STARTED: Final = "cluster started"
_POSITION: Final = "cluster position"  # shard: id of the last entry that was folded
_HEARD: Final = "cluster heard"  # shard, node: its start, and the number of its last notice
_EPOCH: Final = "cluster epoch"  # store: what its content is called
_OFFSET: Final = "cluster offset"  # store: what was told of how far its clock is from ours
_WAITING: Final = "cluster waiting"  # when the oldest strike or login happened that the store may not have
LIFTED: Final = "cluster lifted"  # client: when, where the ledger has no ban that says so
DISALLOWED: Final = "cluster disallowed"  # network: when
MAX_ACTS: Final = 10_000  # of each


class Bookmarks:
    """
    The last entry of each stream that was folded, the last notice of each node, and the epoch of each store.

    Args:
        remembered: What :meth:`news` told of earlier.

    """

    def __init__(self, remembered: Mapping[str, str] | None = None) -> None:
        self._values = {
            name: value for name, value in (remembered or {}).items() if name.startswith("cluster ")
        }
        self._news: dict[str, str | None] = {}
        self._acts = Counter(
            what for what in (LIFTED, DISALLOWED) for name in self._values if name.startswith(f"{what} ")
        )

    def start(self, now_ms: int) -> int:
        """Return the number of this start, which is greater than that of every earlier one."""
        last = self._values.get(STARTED, "")
        number = max(now_ms, int(last) + 1 if last.isdecimal() else 0)
        self._note(STARTED, str(number))
        return number

    def folded(self, shard: int, entry: str) -> None:
        """Take note that all of a stream up to *entry* is folded."""
        self._note(f"{_POSITION} {shard}", entry)

    def heard(self, shard: int, node: str, started: int, number: int) -> None:
        """Take note of the last notice of a node."""
        self._note(f"{_HEARD} {shard} {node}", f"{started} {number}")

    def epoch(self, store: int, name: str) -> None:
        """Take note of what the content of a store is called; another one has other entries."""
        self._note(f"{_EPOCH} {store}", name)

    def offset(self, store: int, told_s: int) -> None:
        """Take note of what is told of how far the clock of a store is from ours; a time must not be told as two."""
        name = f"{_OFFSET} {store}"
        if told_s or name in self._values:
            self._note(name, str(told_s))

    def told_offset_s(self, store: int) -> int:
        """Return what was told of that last."""
        return int(self._values.get(f"{_OFFSET} {store}", 0))

    @property
    def waiting_s(self) -> float:
        """When the oldest strike or login happened that the store may not have; infinite: it has all."""
        return float(self._values.get(_WAITING, math.inf))

    def waits(self, since_s: float) -> None:
        """Take note of when that was."""
        if since_s < math.inf:
            self._note(_WAITING, repr(since_s))
        elif self._values.pop(_WAITING, None) is not None:
            self._news[_WAITING] = None

    def acted(self, what: str, client: str, time_s: float) -> None:
        """Take note of an act, LIFTED or DISALLOWED, that nothing else in the ledger tells of; of so many at most."""
        name, value = f"{what} {client}", repr(time_s)
        if name not in self._values:
            if self._acts[what] >= MAX_ACTS:
                return
            self._acts[what] += 1
        self._note(name, value)

    def acts(self, what: str) -> Iterator[tuple[str, float]]:
        """Yield the client and the time of each such act."""
        for name, value in self._values.items():
            if name.startswith(f"{what} "):
                yield name.removeprefix(f"{what} "), float(value)

    def forget_acts(self, until_s: float) -> None:
        """Forget the acts until then."""
        for what in (LIFTED, DISALLOWED):
            for client, time_s in list(self.acts(what)):
                if time_s <= until_s:
                    name = f"{what} {client}"
                    del self._values[name]
                    self._news[name] = None
                    self._acts[what] -= 1

    def news(self) -> dict[str, str | None]:
        """Return what has changed since the last call; None is forgotten."""
        news, self._news = self._news, {}
        return news

    def facts(self) -> dict[str, Any]:
        """Return all, as :class:`filter_ban.courier.settings.Settings` has it."""
        positions: dict[int, str] = {}
        heard: dict[int, dict[str, tuple[int, int]]] = {}
        epochs: dict[int, str] = {}
        told_offsets_s: dict[int, int] = {}
        for name, value in self._values.items():
            match name.split(" "):
                case ["cluster", "position", shard]:
                    positions[int(shard)] = value
                case ["cluster", "heard", shard, node]:
                    started, _, number = value.partition(" ")
                    heard.setdefault(int(shard), {})[node] = int(started), int(number)
                case ["cluster", "epoch", store]:
                    epochs[int(store)] = value
                case ["cluster", "offset", store]:
                    told_offsets_s[int(store)] = int(value)
        return {
            "positions": positions,
            "heard": heard,
            "epochs": epochs,
            "told_offsets_s": told_offsets_s,
        }

    def _note(self, name: str, value: str) -> None:
        if self._values.get(name) != value:
            self._values[name] = self._news[name] = value
