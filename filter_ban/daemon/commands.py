# SPDX-License-Identifier: ISC
"""What the operator can ask of the running daemon. Long work is done in turns so that answers to servers go on."""

import asyncio
import contextlib
import heapq
import math
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Final

import attrs

from filter_ban.client import (
    NOBODY,
    ClientKey,
    is_ipv4,
    key_text,
    parse_network,
    prefix_of,
    widen,
)
from filter_ban.daemon.control import CommandError, Handler, Request
from filter_ban.daemon.covering import Covering
from filter_ban.daemon.service import Service
from filter_ban.daemon.status import enforced_document, entries_document, status_document
from filter_ban.daemon.watching import Watching
from filter_ban.daemon.wishes import Wish, is_for_all
from filter_ban.explanation import BY_HAND, why_in_band
from filter_ban.ledger import LedgerError, open_reader
from filter_ban.model import HERE, Ban
from filter_ban.text import excerpt
from filter_ban.views import (
    Document,
    allowance_document,
    counted_as,
    history_document,
    limit_texts,
    logins_document,
    reference_in,
)

MAX_SHOWN: Final = 1000  # of the bans that a prefix covered
SORTED_AT_ONCE: Final = 1000  # bans, in about half a millisecond
COUNTED_AT_ONCE: Final = 1000  # bans: their counters are read in some milliseconds
COUNTING_S: Final = 0.5
LIFTED_HERE: Final = "operator here"  # the ledger knows it: other nodes may ban again
FLUSH_PAUSE_S: Final = 0.01
FLUSH_ATTEMPTS: Final = 50  # a ledger in trouble must not keep the operator waiting


class Commands:
    """The handlers of the control socket."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._watching = Watching(service)

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
            "flush": self.flush,
            "watch": self._watching.watch,
            **self._service.steering.handlers,
        }

    async def status(self, _request: Request) -> AsyncIterator[Document]:
        """Yield one document on the health of every part."""
        yield await status_document(self._service)

    async def list_bans(self, _request: Request) -> AsyncIterator[Document]:
        """Yield all active bans, newest first, in pieces."""
        await self._count_packets()
        turns, bans = self._service.turns, self._service.engine.bans
        pieces = turns.pieces(list(bans.values()), SORTED_AT_ONCE)
        runs = [sorted(piece, key=_newest_first) async for piece in pieces]
        async for piece in turns.pieces(heapq.merge(*runs, key=_newest_first)):
            active = [bans[ban.client] for ban in piece if ban.client in bans]
            yield {"bans": [self._document(ban) for ban in active]}

    async def show(self, request: Request) -> AsyncIterator[Document]:
        """Yield all that is known of one client, prefix or ban reference."""
        await self._count_packets()
        engine, policy, now_s = self._service.engine, self._service.engine.policy, time.time()
        client, reference = await self._find(str(request.get("client", "")))
        counted = counted_as(client, policy.ipv4_prefix, policy.ipv6_prefix)
        ban = engine.ban_of(counted)
        around = self._ban_around(counted, ban)
        never = policy.never.covering(client)
        allowed = self._service.allowed
        known = engine.is_known(counted, now_s)
        yield {
            "client": key_text(client),
            "reference": reference,
            "ban": None if ban is None else self._document(ban),
            "firewall_why": ""
            if ban is None
            else why_in_band(ban, policy, has_firewall=bool(self._service.enforcer.backends), known=known),
            "network_ban": None if around is None else self._document(around),
            "mode": policy.mode.value,
            "never": None if never is None else key_text(never),
            "allowed": None if never not in allowed else allowance_document(allowed[never]),
            "strikes": engine.strikes(counted, now_s),
            "limits": limit_texts(policy, counted),
            **await self._history(client, counted, ban),
        }

    def _ban_around(self, client: ClientKey, ban: Ban | None) -> Ban | None:
        """Return the ban of the narrowest network around *client*, other than *ban*."""
        bans = self._service.engine.bans
        networks = (bans.get(widen(client, prefix)) for prefix in reversed(range(prefix_of(client))))
        return next((wide for wide in networks if wide is not None and wide is not ban), None)

    async def _find(self, wanted: str) -> tuple[ClientKey, str | None]:
        """Return whom *wanted* is about, and the reference of a ban where it is one."""
        try:
            return parse_network(wanted), None
        except ValueError:
            pass
        reference = reference_in(wanted)
        bans = list(self._service.engine.bans.values())
        async for piece in self._service.turns.pieces(bans, SORTED_AT_ONCE):
            for ban in piece:
                if ban.reference == reference:
                    return ban.client, reference
        past = await asyncio.to_thread(self._find_reference, reference)
        if past is None:
            raise CommandError(
                f"{excerpt(wanted)}: neither an address, a prefix nor the reference of a ban; filter-ban list has them"
            )
        return past.client, reference

    def _find_reference(self, reference: str) -> Ban | None:
        with open_reader(self._service.ledger_path) as ledger:
            record = ledger.find(reference)
        return None if record is None else record.ban

    async def _history(self, client: ClientKey, counted: ClientKey, ban: Ban | None) -> Document:
        await self._flush()
        return await asyncio.to_thread(self._recorded, client, counted, ban)

    def _recorded(self, client: ClientKey, counted: ClientKey, ban: Ban | None) -> Document:
        policy = self._service.engine.policy
        try:
            with open_reader(self._service.ledger_path) as ledger:
                logins = logins_document(ledger, policy, counted, time.time())
                history = history_document(ledger, policy, client=client, counted=counted, ban=ban)
        except LedgerError as error:
            return {"events": [], "past_bans": [], "logins": None, "raised": 0, "problem": str(error)}
        return {**history, "logins": logins}

    async def ban(self, request: Request) -> AsyncIterator[Document]:
        """
        Ban clients and prefixes by hand; yield an outcome for each, in order.

        With ``dry_run`` nothing is done, and the outcome is what would be. Other nodes are told if it is ``everywhere``.
        """
        force, dry_run = request.get("force") is True, request.get("dry_run") is True
        for_all = is_for_all(request, self._service)
        async for piece in self._service.turns.pieces(_texts(request)):
            now_s = int(time.time())
            wishes = [Wish.parse(given, request, now_s) for given in piece]
            results, bans = [], []
            for wish in wishes:
                result, ban = self._ban(wish, now_s, force=force, dry_run=dry_run, for_all=for_all)
                results.append(result)
                bans += [] if ban is None else [ban]
            self._service.settle()
            if for_all and self._service.cluster is not None:
                self._service.cluster.banned(bans)
            yield {"results": results, "everywhere": for_all}

    def _ban(
        self, wish: Wish, now_s: int, *, force: bool, dry_run: bool, for_all: bool
    ) -> tuple[Document, Ban | None]:
        client, problem = self._parse(wish.text)
        problem = problem or wish.problem or self._why_not(client, force=force)
        if problem:
            return {"client": excerpt(str(wish.text)), "outcome": "refused", "why": problem}, None
        engine = self._service.engine
        outcome = wish.outcome(engine.bans.get(client))
        if dry_run:
            shown = {"client": key_text(client), "end": wish.end_s, "reason": wish.reason}
            return {**shown, "outcome": outcome}, None
        ban = engine.ban(
            client,
            now_s,
            rule=BY_HAND,
            reason=wish.reason,
            length_s=None if wish.end_s is None else wish.end_s - now_s,
            firewall=not self._too_wide(client),
            node="" if for_all or self._service.cluster is None else HERE,
        )
        return {"outcome": outcome, **self._document(ban)}, ban

    def _why_not(self, client: ClientKey, *, force: bool) -> str:
        service = self._service
        own = service.surroundings.overlapping(client)
        if own is not None:
            return f"{key_text(own)} is this machine's own address, loopback or its gateway"
        never = service.engine.policy.never.overlapping(client)
        if never in service.allowed:
            return f"{key_text(never)} is let in by hand: filter-ban allow --remove {key_text(never)}"
        if never is not None:
            return f"{key_text(never)} is in never.networks"
        if self._too_wide(client) and not force:
            family, widest = self._widest(client)
            force_it = "filter-ban ban --force bans it all the same, in the dialogue only"
            return f"wider than never.widest.{family} = {widest}; {force_it}"
        return ""

    def _too_wide(self, client: ClientKey) -> bool:
        return prefix_of(client) < self._widest(client)[1]

    def _widest(self, client: ClientKey) -> tuple[str, int]:
        widest = self._service.config.never.widest
        return ("ipv4", widest.ipv4) if is_ipv4(client) else ("ipv6", widest.ipv6)

    async def lift(self, request: Request) -> AsyncIterator[Document]:
        """
        End the bans of clients, and all within prefixes; yield an outcome for each, in order.

        Other nodes are told if it is ``everywhere``, also of clients that are not banned here.
        """
        service = self._service
        now_s = time.time() if service.cluster is None else service.cluster.stamp()
        for_all = is_for_all(request, service)
        is_here = service.cluster is not None and not for_all
        until_s, by = (math.inf, LIFTED_HERE) if is_here else (now_s, "operator")
        wanted: list[_Wanted] = []
        async for texts in service.turns.pieces(_texts(request)):
            wanted += [_Wanted(text, *self._parse(text)) for text in texts]
        covering = Covering(one.client for one in wanted)
        async for bans in service.turns.pieces(covering.candidates(service.engine.bans)):
            covering.find(bans)
        lifted: list[Ban] = []
        async for steps in service.turns.pieces(_steps(wanted, covering)):
            ended, results = [], []
            for one, ban in steps:
                if ban is None:
                    results.append(self._lift_outcome(one, lifted))
                    lifted = []
                elif service.engine.lift(ban.client, until_s) is not None:
                    lifted.append(ban)
                    ended.append(ban)
            service.ended(ended, by, now_s)
            if for_all and service.cluster is not None:
                named = [one.client for one, ban in steps if ban is None and not one.problem]
                service.cluster.lifted(named, ended, now_s)
            yield {"results": results, "everywhere": for_all}

    def _lift_outcome(self, one: "_Wanted", lifted: list[Ban]) -> Document:
        if one.problem:
            return {"client": excerpt(str(one.text)), "outcome": "refused", "why": one.problem}
        answer = {"client": key_text(one.client)}
        if lifted:
            shown = [key_text(ban.client) for ban in lifted[:MAX_SHOWN]]
            return {**answer, "outcome": "lifted", "bans": shown, "lifted": len(lifted)}
        wide = self._service.engine.ban_of(one.client)
        if wide is not None:
            why = f"banned as part of {key_text(wide.client)}; lift that"
            return {**answer, "outcome": "refused", "why": why}
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
        if not enforcer.backends:
            raise CommandError('no firewall is configured (firewall.backend = "none")')
        await enforcer.sync()
        yield {"backends": [entries_document(entries) for entries in enforcer.backends.values()]}

    async def flush(self, _request: Request) -> AsyncIterator[Document]:
        """Have all that waits written into the ledger; yield whether it was, in some moments."""
        self._service.hourly.hand_over()
        yield {"flushed": await self._flush()}

    async def _flush(self) -> bool:
        writer = self._service.writer
        writer.flush()
        for _ in range(FLUSH_ATTEMPTS):
            health = writer.health()
            if not (health.pending_strikes or health.pending_logins or health.pending_tallies):
                return True
            await asyncio.sleep(FLUSH_PAUSE_S)
        return False

    async def _count_packets(self) -> None:
        """Have the firewall's counters read, where that is quick; a firewall that hangs is not waited for."""
        enforcer = self._service.enforcer
        if enforcer.backends and len(self._service.engine.bans) <= COUNTED_AT_ONCE:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(enforcer.sync(), COUNTING_S)

    def _document(self, ban: Ban) -> Document:
        return enforced_document(ban, self._service.enforcer)


@attrs.frozen
class _Wanted:
    """A client or prefix to be lifted, and what is wrong with it."""

    text: object
    client: ClientKey
    problem: str


def _steps(wanted: Iterable[_Wanted], covering: Covering) -> Iterator[tuple[_Wanted, Ban | None]]:
    """Yield the work of lifting: for each one wanted the bans to lift, and then None."""
    for one in wanted:
        for ban in covering.take(one.client):
            yield one, ban
        yield one, None


def _newest_first(ban: Ban) -> int:
    return -ban.start_s


def _texts(request: Request) -> list[Any]:
    clients = request.get("clients")
    if not isinstance(clients, list):
        raise CommandError("no clients given")
    return clients
