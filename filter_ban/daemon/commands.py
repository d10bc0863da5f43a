# SPDX-License-Identifier: ISC
"""What the operator can ask of the running daemon. Long work is cut in pieces so that answers to servers go on."""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Final, TypeVar

from filter_ban import __version__
from filter_ban.client import NOBODY, ClientKey, is_ipv4, key_text, parse_network, prefix_of
from filter_ban.daemon.control import CommandError, Handler, Request
from filter_ban.daemon.service import Service
from filter_ban.ledger import LedgerError, open_reader
from filter_ban.model import Ban, Enforcement
from filter_ban.text import excerpt
from filter_ban.views import Document, ban_document, counted_as, history_document

T = TypeVar("T")
PIECE: Final = 250  # bans handled between two chances for others: below a millisecond of work
MAX_REASON: Final = 200
FLUSH_PAUSE_S: Final = 0.01
FLUSH_ATTEMPTS: Final = 50  # a ledger in trouble must not keep the operator waiting


class Commands:
    """The handlers of the control socket."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def handlers(self) -> dict[str, Handler]:
        """The handlers by the name of their command."""
        return {
            "status": self.status,
            "list": self.list_bans,
            "show": self.show,
            "ban": self.ban,
            "lift": self.lift,
            "resync": self.resync,
        }

    async def status(self, _request: Request) -> AsyncIterator[Document]:
        """Yield one document on the health of every part."""
        service = self._service
        engine, enforcer, health = service.engine, service.enforcer, service.writer.health()
        counts = enforcer.counts()
        sync = enforcer.last_sync
        yield {
            "version": __version__,
            "pid": os.getpid(),
            "enforcer_pid": os.getppid(),
            "started": service.started_s,
            "now": time.time(),
            "configuration": service.config_file,
            "mode": engine.policy.mode.value,
            "clients": len(engine),
            "clients_evicted": engine.evicted,
            "bans": len(engine.bans),
            "restoring": service.restoring,
            "refused": service.verdicts.refused,
            "relays": service.relays,
            "events": dict(service.events),
            "ledger": {
                "path": str(service.ledger_path),
                "ok": health.ok,
                "problem": health.problem,
                "pending_bans": health.pending_bans,
                "pending_strikes": health.pending_strikes,
                "dropped_bans": health.dropped_bans,
                "dropped_strikes": health.dropped_strikes,
            },
            "firewall": {
                "backend": enforcer.backend,
                "in_force": counts[Enforcement.IN_FORCE],
                "pending": counts[Enforcement.PENDING],
                "failed": counts[Enforcement.FAILED] + counts[Enforcement.DRIFTED],
                "last_sync": sync.time_s or None,
                "ok": sync.ok,
                "problem": sync.problem,
                "rule_present": sync.rule_present,
                "missing": sync.missing,
                "foreign": sync.foreign,
                "drifted": enforcer.drifted,
            },
        }

    async def list_bans(self, _request: Request) -> AsyncIterator[Document]:
        """Yield all active bans, newest first, in pieces."""
        bans = sorted(self._service.engine.bans.values(), key=lambda ban: -ban.start_s)
        for piece in _pieces(bans):
            yield {"bans": [self._document(ban) for ban in piece]}

    async def show(self, request: Request) -> AsyncIterator[Document]:
        """Yield all that is known of one client, prefix or ban reference."""
        service = self._service
        wanted = str(request.get("client", ""))
        client = await self._find(wanted)
        ban = service.engine.ban_of(client)
        policy = service.engine.policy
        counted = counted_as(client, policy.ipv4_prefix, policy.ipv6_prefix)
        never = policy.never.covering(client)
        yield {
            "client": key_text(client),
            "ban": None if ban is None else self._document(ban),
            "mode": policy.mode.value,
            "never": None if never is None else key_text(never),
            "strikes": service.engine.strikes(counted, time.time()),
            **await self._history(client, counted),
        }

    async def _find(self, wanted: str) -> ClientKey:
        try:
            return parse_network(wanted)
        except ValueError:
            pass
        reference = wanted.upper()
        for ban in self._service.engine.bans.values():
            if ban.reference == reference:
                return ban.client
        past = await asyncio.to_thread(self._find_reference, reference)
        if past is None:
            raise CommandError(f"{excerpt(wanted)}: neither an address, a prefix nor the reference of a ban")
        return past.client

    def _find_reference(self, reference: str) -> Ban | None:
        with open_reader(self._service.ledger_path) as ledger:
            record = ledger.find(reference)
        return None if record is None else record.ban

    async def _history(self, client: ClientKey, counted: ClientKey) -> Document:
        writer = self._service.writer
        writer.flush()
        for _ in range(FLUSH_ATTEMPTS):
            if not writer.health().pending_strikes:
                break
            await asyncio.sleep(FLUSH_PAUSE_S)
        return await asyncio.to_thread(self._recorded, client, counted)

    def _recorded(self, client: ClientKey, counted: ClientKey) -> Document:
        try:
            with open_reader(self._service.ledger_path) as ledger:
                return history_document(ledger, client, counted)
        except LedgerError as error:
            return {"events": [], "past_bans": [], "problem": str(error)}

    async def ban(self, request: Request) -> AsyncIterator[Document]:
        """Ban clients and prefixes by hand; yield an outcome for each, in order."""
        length_s = request.get("length")
        reason = excerpt(str(request.get("reason") or "by hand"), MAX_REASON)
        force = request.get("force") is True
        for piece in _pieces(_texts(request)):
            results = [self._ban(text, length_s, reason, force=force) for text in piece]
            self._service.settle()
            yield {"results": results}
            await asyncio.sleep(0)

    def _ban(self, text: object, length_s: int | None, reason: str, *, force: bool) -> Document:
        client, problem = self._parse(text)
        problem = problem or self._why_not(client, force=force)
        if problem:
            return {"client": excerpt(str(text)), "outcome": "refused", "why": problem}
        engine = self._service.engine
        before = engine.bans.get(client)
        ban = engine.ban(
            client,
            int(time.time()),
            rule="by hand",
            reason=reason,
            length_s=length_s,
            firewall=not self._too_wide(client),
        )
        outcome = "banned" if before is None else "unchanged" if ban is before else "extended"
        return {"outcome": outcome, **self._document(ban)}

    def _why_not(self, client: ClientKey, *, force: bool) -> str:
        service = self._service
        own = service.surroundings.overlapping(client)
        if own is not None:
            return f"{key_text(own)} is this machine's own address, loopback or its gateway"
        never = service.engine.policy.never.overlapping(client)
        if never is not None:
            return f"{key_text(never)} is in never.networks"
        if self._too_wide(client) and not force:
            family, widest = self._widest(client)
            return f"wider than never.widest.{family} = {widest}; --force bans it all the same, in the dialogue only"
        return ""

    def _too_wide(self, client: ClientKey) -> bool:
        return prefix_of(client) < self._widest(client)[1]

    def _widest(self, client: ClientKey) -> tuple[str, int]:
        widest = self._service.config.never.widest
        return ("ipv4", widest.ipv4) if is_ipv4(client) else ("ipv6", widest.ipv6)

    async def lift(self, request: Request) -> AsyncIterator[Document]:
        """End bans; yield an outcome for each client, in order."""
        for piece in _pieces(_texts(request)):
            ended: list[Ban] = []
            results = [self._lift(text, ended) for text in piece]
            self._service.ended(ended, "operator")
            yield {"results": results}
            await asyncio.sleep(0)

    def _lift(self, text: object, ended: list[Ban]) -> Document:
        client, problem = self._parse(text)
        if problem:
            return {"client": excerpt(str(text)), "outcome": "refused", "why": problem}
        lifted = self._service.engine.lift(client)
        ended += lifted.bans
        answer = {"client": key_text(client)}
        if lifted.bans:
            return {**answer, "outcome": "lifted", "bans": [key_text(ban.client) for ban in lifted.bans]}
        if lifted.covered_by is not None:
            wide = key_text(lifted.covered_by.client)
            return {**answer, "outcome": "refused", "why": f"banned as part of {wide}; lift that"}
        return {**answer, "outcome": "not-banned", "why": "not banned"}

    def _parse(self, text: object) -> tuple[ClientKey, str]:
        """Return the client or prefix that *text* names, as it is counted, and what is wrong with it."""
        policy = self._service.engine.policy
        try:
            return counted_as(parse_network(str(text)), policy.ipv4_prefix, policy.ipv6_prefix), ""
        except ValueError as error:
            return NOBODY, str(error)

    async def resync(self, _request: Request) -> AsyncIterator[Document]:
        """Compare firewall and bans now; yield what was found."""
        enforcer = self._service.enforcer
        if enforcer.backend == "none":
            raise CommandError('no firewall is configured (firewall.backend = "none")')
        sync = await enforcer.sync()
        yield {
            "ok": sync.ok,
            "problem": sync.problem,
            "missing": sync.missing,
            "foreign": sync.foreign,
            "rule_present": sync.rule_present,
        }

    def _document(self, ban: Ban) -> Document:
        return ban_document(ban, *self._service.enforcer.state_of(ban.client))


def _pieces(items: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(items)
    while piece := list(itertools.islice(remaining, PIECE)):
        yield piece


def _texts(request: Request) -> list[Any]:
    clients = request.get("clients")
    if not isinstance(clients, list):
        raise CommandError("no clients given")
    return clients
