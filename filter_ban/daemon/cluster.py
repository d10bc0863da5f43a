# SPDX-License-Identifier: ISC
"""
The engine's end of the cluster: a courier speaks with the stores, and what it brings is folded in turns.

Nothing here waits for the network: what cannot be said now is kept by :class:`filter_ban.cluster.outgoing.Outgoing`.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from filter_ban import __version__
from filter_ban.client import ClientKey, key_text, parse_network
from filter_ban.cluster.bookmarks import DISALLOWED, LIFTED, Bookmarks
from filter_ban.cluster.member import Heard, Member
from filter_ban.cluster.message import Header, read_header, read_notices
from filter_ban.cluster.notice import Allowed, Decoder, Disallowed, Encoder, Lifted
from filter_ban.cluster.wire import Frame
from filter_ban.config.cluster import BANS, LISTEN_ONLY, Cluster
from filter_ban.courier.settings import Settings
from filter_ban.daemon.cluster_figures import ClusterFigures
from filter_ban.daemon.composer import Composer
from filter_ban.daemon.couriers import Couriers
from filter_ban.daemon.turns import PIECE
from filter_ban.engine.outbox import Outbox
from filter_ban.engine.shared import SharedEngine
from filter_ban.logline import fact
from filter_ban.model import HERE, Allowance, Ban, Login, Strike

if TYPE_CHECKING:
    from filter_ban.daemon.service import Service

_log = logging.getLogger(__name__)
BATCH_S: Final = 0.05  # so long notices may wait for others of their shard, but for the first
BEAT_S: Final = 0.25
FOLDED_AT_ONCE: Final = 25  # notices; about half a millisecond of work
REMEMBER_S: Final = 1.0
TELL_S: Final = 5.0


class ClusterLink:
    """
    Speaks for this node, and listens to the others.

    Args:
        service: Whose engine it is; one that can listen.
        node: Name of this node.
        secrets: What its files hold, as :class:`Settings` calls it.
        bookmarks: Of the run before.

    """

    def __init__(
        self,
        service: "Service",
        *,
        node: str,
        secrets: dict[str, str],
        bookmarks: Bookmarks,
    ) -> None:
        config, engine = service.config.cluster, service.engine
        assert isinstance(engine, SharedEngine)
        self.figures = ClusterFigures(config, node)
        self._service = service
        self._config: Cluster = config
        self._secrets = secrets
        self._bookmarks = bookmarks
        self._started = bookmarks.start(time.time_ns() // 1_000_000)
        self.member = Member(
            engine,
            node=node,
            started=self._started,
            shards=config.shards,
            role=config.role,
            trust=config.trust,
            secret_bits=config.secret_bits,
            buffer=config.buffer,
            admits=service.admits,
        )
        engine.told_offset_s = bookmarks.told_offset_s(0)
        self._node = node
        self._loop = asyncio.get_running_loop()
        self._couriers = Couriers(opened=self._opened, heed=self._heed, closed=self._closed)
        self._timers: dict[int, asyncio.TimerHandle] = {}  # by shard
        self._next_s = [0.0] * config.shards  # when the shard may have its next message
        self._composer = Composer(
            node=node,
            started=self._started,
            shards=config.shards,
            encoder=Encoder(config.secret_bits),
            turns=service.turns,
            send=self._couriers.send,
            figures=self.figures,
        )

    @property
    def speaks(self) -> bool:
        """Whether this node tells others anything."""
        return self._config.role != LISTEN_ONLY

    def restore_lifts(self, lifts: Iterable[tuple[ClientKey, float]]) -> None:
        """Take over until when what of clients is void."""
        self.member.engine.restore_lifts(lifts)

    def restore_strikes(self, strikes: Iterable[Strike]) -> None:
        """Tell others of the strikes that waited for the store when this node was ended; newest first."""
        since_s = self._bookmarks.waiting_s
        waited = (one for one in strikes if one.time_s >= since_s and one.weight and not one.node)
        self._speak(self.member.recall(waited))

    def restore_logins(self, logins: Iterable[Login]) -> None:
        """Tell others of the logins that waited; the ledger knows their second."""
        since_s = self._bookmarks.waiting_s
        self._speak(self.member.recall(login for login in logins if login.time_s + 1 > since_s))

    # --- what this node says

    def decided(self, outbox: Outbox) -> None:
        """Tell others what the engine decided."""
        self._speak(self.member.decided(outbox))

    def stamp(self) -> float:
        """Return the time of an operator's act of this moment."""
        return self.member.stamp(time.time())

    def banned(self, bans: Iterable[Ban]) -> None:
        """Tell others whom the operator has banned; a ban of this node alone that he asks for again is one of all."""
        bans = list(bans)
        shared = [self.member.engine.share(ban) for ban in bans if ban.node == HERE]
        self._service.writer.record(shared)
        self._act([ban for ban in bans if ban.node != HERE] + shared)

    def lifted(self, clients: Iterable[ClientKey], bans: Iterable[Ban], time_s: float) -> None:
        """
        Tell others whose bans the operator has lifted.

        Args:
            clients: Not banned here, but perhaps elsewhere; a ban of before that is heard of later is void.
            bans: Lifted here already.
            time_s: Of the act.

        """
        acts = [Lifted(client, time_s, "operator") for client in clients]
        heard = self.member.hear(acts, time_s)
        self._service.take_over(heard)
        self._note_acts(heard)
        self._act(acts)
        self._act(Lifted(ban.client, max(time_s, ban.start_s), "operator") for ban in bans)

    def allowed(self, allowances: Iterable[Allowance], bans: Iterable[Ban]) -> None:
        """
        Tell others whom the operator lets in.

        What was until then is void, also when they are let in no more.

        Args:
            allowances: In force here already.
            bans: Lifted here by them.

        """
        allowances = list(allowances)
        clients = [one.client for one in allowances] + [ban.client for ban in bans]
        self.lifted(dict.fromkeys(clients), (), self.stamp())
        self._act(Allowed(allowance, self.stamp()) for allowance in allowances)

    def spare(self, bans: Iterable[Ban]) -> None:
        """Set *bans* aside that have ended because somebody is let in, and put in force those of who is no more."""
        begun = self._service.take_over(self.member.spare(bans, time.time()))
        if begun:
            self._service.announce(begun)

    def disallowed(self, clients: Iterable[ClientKey]) -> None:
        """Tell others whom the operator lets in no more."""
        acts = [Disallowed(client, self.stamp()) for client in clients]
        self._act(acts)
        for act in acts:
            self._bookmarks.acted(DISALLOWED, key_text(act.client), act.time_s)

    def _note_acts(self, heard: Heard) -> None:
        """Have it remembered what the ledger's bans and allowances do not tell."""
        for act, ban in heard.lifts:
            if ban is None:
                self._bookmarks.acted(LIFTED, key_text(act.client), act.time_s)
        for client in heard.disallowed:
            self._bookmarks.acted(DISALLOWED, key_text(client), self.member.time_disallowed(client))

    def _recall_acts(self) -> None:
        self._bookmarks.forget_acts(time.time() - self._service.config.ban.forget)
        for client, time_s in self._bookmarks.acts(DISALLOWED):
            self.member.recall_disallowed(parse_network(client), time_s)
        lifts = self._bookmarks.acts(LIFTED)
        self.restore_lifts((parse_network(client), time_s) for client, time_s in lifts)

    def _act(self, acts: Iterable[Ban | Lifted | Allowed | Disallowed]) -> None:
        self._speak(self.member.acted(acts))

    def _speak(self, shards: Iterable[int]) -> None:
        """Send what *shards* have to say: the first at once, and what follows together a moment later."""
        for shard in shards:
            if not self._couriers.is_there or shard in self._timers or not self.member.outgoing.waits(shard):
                continue
            wait_s = self._next_s[shard] - self._loop.time()
            if wait_s <= 0:
                self._publish(shard)
            else:
                self._timers[shard] = self._loop.call_later(wait_s, self._publish, shard)

    def _publish(self, shard: int) -> None:
        self._timers.pop(shard, None)
        if not self._couriers.is_there:
            return
        taken = self.member.outgoing.take(shard)
        if taken is not None:
            self._next_s[shard] = self._loop.time() + BATCH_S
            self._send_message(shard, *taken)

    def _send_message(self, shard: int, header: Header, message: bytes) -> None:
        self._couriers.send("publish", {"shard": shard, "first": header.first, "last": header.last}, message)

    async def drain(self, timeout_s: float) -> None:
        """Wait until the store has all that this node has to say, and no longer than *timeout_s*."""
        end_s = self._loop.time() + timeout_s
        while self._couriers.is_there and self.member.outgoing and self._loop.time() < end_s:  # noqa: ASYNC110 - once
            await asyncio.sleep(BATCH_S)

    # --- the courier

    async def run(self) -> None:
        """Keep a courier running, and do what time brings, until cancelled."""
        self._recall_acts()
        self.member.recall_allowed(self._service.allowed.values())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._couriers.run())
            tasks.create_task(self._beat())

    def _opened(self) -> None:
        """Tell a new courier all that it must know, and what the one before has not confirmed."""
        self._couriers.send("start", self._settings().to_facts())
        self._tell()
        for shard, header, message in self.member.outgoing.on_their_way():
            self._send_message(shard, header, message)
        self._speak(range(self._config.shards))

    def _closed(self, why: str) -> None:
        self._composer.stop()
        self.figures.lost_courier(why)

    def _settings(self) -> Settings:
        config = self._config
        return Settings(
            stores=config.stores,
            prefix=config.prefix,
            node=self._node,
            started=self._started,
            role=config.role,
            trusts_bans=BANS in config.trust,
            shards=config.shards,
            user=config.user,
            sentinel_user=config.sentinel_user,
            retention_s=self._service.engine.policy.longest_window_s,
            max_mb=config.max_mb,
            snapshot_s=config.snapshot,
            **{**self._secrets, **self._bookmarks.facts()},
        )

    async def _beat(self) -> None:
        """Do what time brings."""
        told_s = remembered_s = self._loop.time()
        while True:
            await asyncio.sleep(BEAT_S)
            now_s = self._loop.time()
            self._speak(self.member.tick(time.time()))
            if now_s - remembered_s >= REMEMBER_S:
                remembered_s = now_s
                self.remember()
            if now_s - told_s >= TELL_S:
                told_s = now_s
                self._tell()

    def remember(self) -> None:
        """Have it written how far this node has read, and since when what it saw waits for the store."""
        if not self._service.restoring:
            self._bookmarks.waits(self.member.outgoing.since_s())
        news = self._bookmarks.news()
        if news:
            self._service.writer.remember(news)

    def _tell(self) -> None:
        """Say what others are to know of this node."""
        self._couriers.send(
            "tell",
            {
                "version": __version__,
                "role": self._config.role,
                "shards": self._config.shards,
                "bans": len(self._service.engine.bans),
                "dropped": self.member.outgoing.dropped,
            },
        )

    def retain(self) -> None:
        """Have strikes kept for as long as they matter now."""
        self._couriers.send("retain", {"seconds": self._service.engine.policy.longest_window_s})

    # --- what the courier says

    async def _heed(self, frame: Frame) -> None:
        verb, facts, message = frame
        match verb:
            case "heard" | "chunk":
                await self._fold(facts["shard"], facts, message, in_bulk=verb == "chunk")
            case "current":
                await self._reconcile(facts["shard"])
            case "compose":
                self._composer.begin(self.member.memory(self._service.allowed.values()))
            case _:
                self._note(verb, facts)

    def _note(self, verb: str, facts: dict[str, Any]) -> None:
        match verb:
            case "published":
                self.member.outgoing.confirm(facts["shard"], facts["first"])
                self._speak([facts["shard"]])
            case "passed":
                self._bookmarks.folded(facts["shard"], facts["id"])
            case "join":
                self.figures.current.discard(facts["shard"])
                self.member.join(facts["shard"])
            case "stored":
                self._composer.stored()
            case "store":
                self._heed_store(facts)
            case "refused":
                self.figures.heed_refused(facts)
            case "peers":
                self.figures.peers = facts["peers"]

    def _heed_store(self, facts: dict[str, Any]) -> None:
        changed = self.figures.heed_store(facts)
        if facts["epoch"]:
            self._bookmarks.epoch(facts["index"], facts["epoch"])
        if facts["ok"]:
            self._bookmarks.offset(facts["index"], facts["told_offset_s"])
        if facts["index"] == 0:  # where there are several, the first stands for all
            self.member.engine.told_offset_s = facts["told_offset_s"]
        if changed and facts["ok"]:
            _log.info(fact("store-up", store=self._config.stores[facts["index"]]))
        elif changed:
            store = self._config.stores[facts["index"]]
            consequence = "what this node has to say is kept for it"
            _log.error(fact("store-down", store=store, why=facts["problem"], consequence=consequence))

    async def _fold(self, shard: int, facts: dict[str, Any], message: bytes, *, in_bulk: bool) -> None:
        """Fold a message, or a piece of a snapshot, in turns; no faster than the ledger can write."""
        service = self._service
        while service.writer.is_behind:  # noqa: ASYNC110 - the writer is a thread
            await asyncio.sleep(BATCH_S)
        try:
            header, rows = read_header(message), read_notices(message)
        except ValueError:
            self.figures.malformed += 1
        else:
            decoder = Decoder(header.node, facts["shift_s"])
            begun: list[Ban] = []
            async for piece in service.turns.pieces(rows, PIECE if in_bulk else FOLDED_AT_ONCE):
                notices, strange = decoder.decode(piece)
                self.figures.malformed += strange
                heard = self.member.hear(notices, time.time(), node=header.node, shard=shard)
                begun += service.take_over(heard, in_bulk=in_bulk)
                self._note_acts(heard)
            if begun:
                service.announce(begun)
            if not in_bulk:
                self._bookmarks.heard(shard, header.node, header.started, header.last)
                self._bookmarks.folded(shard, facts["id"])
        self._couriers.send("folded", {"shard": shard, "id": facts["id"]})

    async def _reconcile(self, shard: int) -> None:
        """Tell the others what they lack, after a join."""
        service = self._service
        async for bans in service.turns.pieces(list(service.engine.bans.values()), 10 * PIECE):
            self.member.reconcile(shard, bans)
        self.member.reconcile(shard, (), service.allowed.values())
        self.member.joined(shard)
        self._speak([shard])
        self.figures.current.add(shard)
        if len(self.figures.current) == self._config.shards:
            _log.info(fact("cluster-current", node=self._node, bans=len(service.engine.bans)))

    def document(self) -> dict[str, Any]:
        """Return how the cluster is, for ``status``."""
        return self.figures.document(self.member, self._couriers.pid)
