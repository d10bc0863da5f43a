# SPDX-License-Identifier: ISC
"""What the engine process knows of the firewall: it asks the enforcer for entries and keeps each ban's state."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from filter_ban.channel import ENTRIES_A_MESSAGE, encode
from filter_ban.client import ClientKey, key_text, parse_network
from filter_ban.model import Ban, Enforcement, Mode


@attrs.define
class SyncState:
    """What the last full comparison of table and bans found."""

    time_s: float = 0.0
    ok: bool = True
    problem: str = ""
    missing: int = 0  # entries that were gone from the table and have been put back
    foreign: int = 0  # entries in our table that nobody asked for and that have been removed
    rule_present: bool | None = None


class Enforcer:
    """
    The engine's side of the channel.

    A ban is reported as in force only when the firewall has it and the ledger has committed it.
    """

    def __init__(self, send: Callable[[bytes], None], *, backend: str) -> None:
        self.backend = backend
        self.last_sync = SyncState()
        self.drifted = 0
        self._send = send
        self._states: dict[ClientKey, Enforcement] = {}
        self._counts = Counter[Enforcement]()  # of the states
        self._problems: dict[ClientKey, str] = {}
        self._uncommitted: set[ClientKey] = set()
        self._early: set[ClientKey] = set()  # in the table, and not yet committed
        self._mode = Mode.ENFORCE
        self._waiting: dict[int, asyncio.Future[SyncState]] = {}

    # --- asking

    def start(self, bans: Iterable[Ban], mode: Mode, *, more: bool) -> None:
        """Tell the enforcer a piece of all that should be in force; *more*: it is not the last one."""
        self._mode = mode
        wanted = [ban for ban in bans if self._wanted(ban)]
        for ban in wanted:
            self._enter(ban.client, Enforcement.PENDING)
        entries = [(key_text(ban.client), ban.end_s) for ban in wanted]
        self._send(encode("replace", {"entries": entries, "more": more}))

    def push(self, bans: Iterable[Ban], *, committed: bool = False) -> None:
        """Ask for entries of *bans*."""
        added = [ban for ban in bans if self._wanted(ban)]
        for ban in added:
            self._enter(ban.client, Enforcement.PENDING)
            self._problems.pop(ban.client, None)
        if not committed:
            self._uncommitted.update(ban.client for ban in added)
        for at in range(0, len(added), ENTRIES_A_MESSAGE):
            batch = [(key_text(ban.client), ban.end_s) for ban in added[at : at + ENTRIES_A_MESSAGE]]
            self._send(encode("change", {"add": batch, "remove": []}))

    def withdraw(self, clients: Iterable[ClientKey]) -> None:
        """Ask that the entries of *clients* be removed."""
        removed = [client for client in clients if self._leave(client)]
        for client in removed:
            self._problems.pop(client, None)
            self._uncommitted.discard(client)
            self._early.discard(client)
        for at in range(0, len(removed), ENTRIES_A_MESSAGE):
            batch = [key_text(client) for client in removed[at : at + ENTRIES_A_MESSAGE]]
            self._send(encode("change", {"add": [], "remove": batch}))

    async def sync(self) -> SyncState:
        """Ask for a comparison of table and bans, now, and return what it found."""
        found: asyncio.Future[SyncState] = asyncio.get_running_loop().create_future()
        self._waiting[id(found)] = found
        self._send(encode("sync", id(found)))
        return await found

    def alive(self) -> None:
        """Show the enforcer that this process works."""
        self._send(encode("alive"))

    def _wanted(self, ban: Ban) -> bool:
        return ban.firewall and self.backend != "none" and self._mode is Mode.ENFORCE

    # --- hearing

    def committed(self, clients: Iterable[ClientKey]) -> None:
        """Take note that the ledger holds the bans of *clients*."""
        for client in clients:
            self._uncommitted.discard(client)
            if client in self._early:
                self._early.discard(client)
                self._mark(client, Enforcement.IN_FORCE)

    def outcome(self, message: dict[str, Any]) -> None:
        """Take note of what a firewall command did."""
        for network in message.get("in_force", ()):
            client = parse_network(network)
            if client in self._uncommitted:
                self._early.add(client)
            else:
                self._mark(client, Enforcement.IN_FORCE)
        for network, why in message.get("failed", ()):
            client = parse_network(network)
            self._mark(client, Enforcement.FAILED)
            self._problems[client] = why
        for network in message.get("drifted", ()):
            self._mark(parse_network(network), Enforcement.DRIFTED)

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
        self.drifted += self.last_sync.missing + self.last_sync.foreign
        asked = self._waiting.pop(message.get("asked", 0), None)
        if asked is not None and not asked.done():
            asked.set_result(self.last_sync)

    def _mark(self, client: ClientKey, state: Enforcement) -> None:
        if client in self._states:
            self._enter(client, state)
            if state is Enforcement.IN_FORCE:
                self._problems.pop(client, None)

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

    # --- telling

    def state_of(self, client: ClientKey) -> tuple[Enforcement, str]:
        """Return the state of the ban of *client* and, where it failed, why."""
        return self._states.get(client, Enforcement.IN_BAND), self._problems.get(client, "")

    def counts(self) -> Counter[Enforcement]:
        """Return how many bans are in which state."""
        return self._counts.copy()
