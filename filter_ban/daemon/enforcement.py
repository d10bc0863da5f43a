# SPDX-License-Identifier: ISC
"""What the engine process knows of the firewall: it asks the enforcer for entries and keeps each ban's state."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import attrs

from filter_ban.channel import ENTRIES_A_MESSAGE, encode
from filter_ban.client import ClientKey, key_text, parse_network
from filter_ban.daemon.time_to_ban import TimeToBan
from filter_ban.explanation import BY_HAND
from filter_ban.model import HERE, Ban, Enforcement, Mode

# A ban with several backends is as far as the least of them.
_WORST_FIRST: Final = (
    Enforcement.FAILED,
    Enforcement.DRIFTED,
    Enforcement.PENDING,
    Enforcement.IN_FORCE,
    Enforcement.IN_BAND,
)


@attrs.define
class SyncState:
    """What the last full comparison of table and bans found."""

    time_s: float = 0.0
    ok: bool = True
    problem: str = ""
    missing: int = 0  # entries that were gone from the table and have been put back
    foreign: int = 0  # entries in our table that nobody asked for and that have been removed
    rule_present: bool | None = None


class Entries:
    """What is known of the bans' entries in the table of one backend."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.last_sync = SyncState()
        self.missing = 0  # entries that were, in all comparisons
        self.foreign = 0
        self.counts_packets = False
        self.dropped = 0  # packets, of all bans there have been
        self._states: dict[ClientKey, Enforcement] = {}
        self._counts = Counter[Enforcement]()  # of the states
        self._problems: dict[ClientKey, str] = {}
        self._early: set[ClientKey] = set()  # in the table, and the ban is not yet committed
        self._dropped: dict[ClientKey, int] = {}

    @property
    def changed_by_others(self) -> int:
        """How many entries others had changed; they have been repaired."""
        return self.missing + self.foreign

    def await_entry(self, client: ClientKey) -> None:
        """Take note that an entry was asked for."""
        self._enter(client, Enforcement.PENDING)
        self._problems.pop(client, None)

    def clear(self) -> None:
        """Forget all entries; the sums stay."""
        for memory in (self._states, self._counts, self._problems, self._early, self._dropped):
            memory.clear()

    def drop(self, client: ClientKey) -> bool:
        """Forget the entry of *client*; return whether there was one."""
        self._problems.pop(client, None)
        self._early.discard(client)
        self._dropped.pop(client, None)
        return self._leave(client)

    def heed(self, outcome: dict[str, Any], uncommitted: set[ClientKey]) -> None:
        """Take note of what a command did; a ban that is *uncommitted* is not in force yet."""
        for network in outcome.get("in_force", ()):
            client = parse_network(network)
            if client in uncommitted:
                self._early.add(client)
            else:
                self._mark(client, Enforcement.IN_FORCE)
        for network, why in outcome.get("failed", ()):
            client = parse_network(network)
            if self._mark(client, Enforcement.FAILED):
                self._problems[client] = why
        for network in outcome.get("drifted", ()):
            self._mark(parse_network(network), Enforcement.DRIFTED)
        for network, packets in outcome.get("dropped", ()):
            client = parse_network(network)
            self.dropped += packets
            if client in self._states:
                self._dropped[client] = self._dropped.get(client, 0) + packets

    def committed(self, client: ClientKey) -> None:
        """Take note that the ledger holds the ban of *client*."""
        if client in self._early:
            self._early.discard(client)
            self._mark(client, Enforcement.IN_FORCE)

    def synced(self, message: dict[str, Any]) -> None:
        """Take note of what a full comparison found."""
        self.last_sync = SyncState(
            time_s=message.get("time", time.time()),
            ok=message.get("ok", False),
            problem=message.get("problem", ""),
            missing=message.get("missing", 0),
            foreign=message.get("foreign", 0),
            rule_present=message.get("rule_present"),
        )
        self.missing += self.last_sync.missing
        self.foreign += self.last_sync.foreign
        self.counts_packets = message.get("counts", False)

    def _mark(self, client: ClientKey, state: Enforcement) -> bool:
        """Note the state of an entry; return whether it is wanted at all."""
        if client not in self._states:
            return False
        self._enter(client, state)
        if state is Enforcement.IN_FORCE:
            self._problems.pop(client, None)
        return True

    def _enter(self, client: ClientKey, state: Enforcement) -> None:
        self._leave(client)
        self._states[client] = state
        self._counts[state] += 1

    def _leave(self, client: ClientKey) -> bool:
        state = self._states.pop(client, None)
        if state is None:
            return False
        self._counts[state] -= 1
        return True

    def state_of(self, client: ClientKey) -> Enforcement:
        """Return the state of the entry of *client*."""
        return self._states.get(client, Enforcement.IN_BAND)

    def problem_of(self, client: ClientKey) -> str:
        """Return why the entry of *client* failed."""
        return self._problems.get(client, "")

    def dropped_of(self, client: ClientKey) -> int:
        """Return how many packets the entry of *client* has dropped."""
        return self._dropped.get(client, 0)

    def counts(self) -> Counter[Enforcement]:
        """Return how many entries are in which state."""
        return self._counts.copy()

    def reasons(self) -> Counter[str]:
        """Return why entries failed, and how many for that."""
        return Counter(self._problems.values())


class Enforcer:
    """
    The engine's side of the channel.

    A ban is reported as in force only when every backend has it and the ledger has committed it.

    Args:
        send: Sends a message.
        backends: Names of the backends.
        time_to_ban: Is told of bans by a rule; None: nothing is measured.

    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        *,
        backends: Sequence[str],
        time_to_ban: TimeToBan | None = None,
    ) -> None:
        self.backends = {name: Entries(name) for name in backends}
        self._send = send
        self._time_to_ban = time_to_ban
        self._uncommitted: set[ClientKey] = set()
        self._mode = Mode.ENFORCE
        self._waiting: dict[int, tuple[set[str], asyncio.Future[None]]] = {}

    # --- asking

    def begin(self, backends: Sequence[str], mode: Mode) -> None:
        """Have these *backends* from now on; what should be in force is told anew after this."""
        self.backends = {name: self.backends.get(name) or Entries(name) for name in backends}
        for entries in self.backends.values():
            entries.clear()
        self._mode = mode
        for _, compared in self._waiting.values():  # whoever was asked may be gone
            if not compared.done():
                compared.set_result(None)

    def start(self, bans: Iterable[Ban], mode: Mode, *, more: bool) -> None:
        """Tell the enforcer a piece of all that should be in force; *more*: it is not the last one."""
        self._mode = mode
        wanted = self._wanted(bans)
        self._send(encode("replace", {"entries": _entries(wanted), "more": more}))

    def push(self, bans: Iterable[Ban], *, committed: bool = False, in_bulk: bool = False) -> None:
        """
        Ask for entries of *bans*.

        Args:
            bans: Active ones.
            committed: The ledger has them.
            in_bulk: They come from a memory and not of themselves: their number is no sign of a fault.

        """
        wanted = self._wanted(bans)
        if not committed:
            self._uncommitted.update(ban.client for ban in wanted)
        by_hand = [ban for ban in wanted if committed or in_bulk or _is_by_hand(ban)]
        by_rule = (
            [ban for ban in wanted if not (committed or in_bulk or _is_by_hand(ban))] if by_hand else wanted
        )
        if self._time_to_ban is not None:
            self._time_to_ban.decided(ban.client for ban in by_rule)
        self._add(by_hand, by_rule=False)
        self._add(by_rule, by_rule=True)

    def push_again(self, bans: Iterable[Ban]) -> None:
        """Ask once more for entries of *bans*, which was done and may have been forgotten."""
        self._add(self._wanted(bans), by_rule=False)

    def _add(self, bans: Sequence[Ban], *, by_rule: bool) -> None:
        for at in range(0, len(bans), ENTRIES_A_MESSAGE):
            batch = _entries(bans[at : at + ENTRIES_A_MESSAGE])
            self._send(encode("change", {"add": batch, "remove": [], "by_rule": by_rule}))

    def withdraw(self, clients: Iterable[ClientKey]) -> None:
        """Ask that the entries of *clients* be removed."""
        removed = [client for client in clients if self._drop(client)]
        self._uncommitted.difference_update(removed)
        if self._time_to_ban is not None:
            self._time_to_ban.withdrawn(removed)
        self.remove(removed)

    def remove(self, clients: Iterable[ClientKey]) -> None:
        """Ask that entries of *clients* be removed, whether or not there are any."""
        removed = list(clients)
        for at in range(0, len(removed), ENTRIES_A_MESSAGE):
            batch = [key_text(client) for client in removed[at : at + ENTRIES_A_MESSAGE]]
            self._send(encode("change", {"add": [], "remove": batch, "by_rule": False}))

    def _drop(self, client: ClientKey) -> bool:
        """Forget the entries of *client*; return whether there were any: all backends have the same."""
        return {entries.drop(client) for entries in self.backends.values()} == {True}

    async def sync(self) -> None:
        """Ask for a comparison of tables and bans, now, and return when each backend has said what it found."""
        compared: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        number = id(compared)
        self._waiting[number] = set(self.backends), compared
        self._send(encode("sync", number))
        try:
            await compared
        finally:
            del self._waiting[number]

    def alive(self) -> None:
        """Show the enforcer that this process works."""
        self._send(encode("alive"))

    def _wanted(self, bans: Iterable[Ban]) -> list[Ban]:
        if not self.backends or self._mode is not Mode.ENFORCE:
            return []
        wanted = [ban for ban in bans if ban.firewall]
        for entries in self.backends.values():
            for ban in wanted:
                entries.await_entry(ban.client)
        return wanted

    # --- hearing

    def committed(self, clients: Iterable[ClientKey]) -> None:
        """Take note that the ledger holds the bans of *clients*."""
        for client in clients:
            self._uncommitted.discard(client)
            for entries in self.backends.values():
                entries.committed(client)
            self._look_at(client)

    def outcome(self, message: dict[str, Any]) -> None:
        """Take note of what a firewall command did."""
        entries = self.backends.get(message["backend"])
        if entries is not None:  # else it is one that is filled no more
            entries.heed(message, self._uncommitted)
        if self._time_to_ban is not None:
            for network in message.get("in_force", ()):
                self._look_at(parse_network(network))

    def _look_at(self, client: ClientKey) -> None:
        """Tell who measures that the ban of *client* is in force, if it is."""
        if self._time_to_ban is not None and self.state_of(client) is Enforcement.IN_FORCE:
            self._time_to_ban.in_force([client])

    def synced(self, message: dict[str, Any]) -> None:
        """Take note of what a full comparison found."""
        name = message["backend"]
        if name in self.backends:
            self.backends[name].synced(message)
        unheard, compared = self._waiting.get(message.get("asked", 0), (set(), None))
        unheard.discard(name)
        if compared is not None and not unheard and not compared.done():
            compared.set_result(None)

    # --- telling

    def state_of(self, client: ClientKey) -> Enforcement:
        """Return the state of the ban of *client*: that of the backend that is least far."""
        states = {entries.state_of(client) for entries in self.backends.values()}
        return next((state for state in _WORST_FIRST if state in states), Enforcement.IN_BAND)

    def problem_of(self, client: ClientKey) -> str:
        """Return why the ban of *client* failed."""
        return "; ".join(filter(None, (entries.problem_of(client) for entries in self.backends.values())))

    def dropped_of(self, client: ClientKey) -> int | None:
        """Return how many packets of *client* were dropped, as last counted; None where nobody counts."""
        counting = [entries for entries in self.backends.values() if entries.counts_packets]
        return sum(entries.dropped_of(client) for entries in counting) if counting else None


def _is_by_hand(ban: Ban) -> bool:
    """Return whether an operator of this node asked for *ban*: what peers say obeys the pace."""
    return ban.rule == BY_HAND and ban.node in ("", HERE)


def _entries(bans: Iterable[Ban]) -> list[tuple[str, int | None]]:
    return [(key_text(ban.client), ban.end_s) for ban in bans]
