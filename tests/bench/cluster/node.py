# SPDX-License-Identifier: ISC
"""One simulated mail server: the real engine and member, a simulated courier, and a clock of its own."""

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from filter_ban.client import ClientKey, NetworkSet, parse_network
from filter_ban.cluster.keys import ClusterKeys
from filter_ban.cluster.member import Member
from filter_ban.cluster.message import MAX_NOTICES, Header, pack, read_notices
from filter_ban.cluster.notice import Allowed, Decoder, Encoder, Lifted
from filter_ban.cluster.shards import shard_of
from filter_ban.engine.outbox import Outbox
from filter_ban.engine.policy import Policy
from filter_ban.engine.shared import SharedEngine
from filter_ban.explanation import BY_HAND
from filter_ban.model import Allowance, Ban, Kind
from tests.bench.cluster.courier import Courier
from tests.bench.cluster.link import Link, Weather
from tests.bench.cluster.store import Store
from tests.bench.cluster.world import World

SECRET_BITS: Final = 12
BATCH_S: Final = 0.05  # so long notices may wait for others of their shard, but for the first
BEAT_S: Final = 0.25


@attrs.frozen(kw_only=True)
class Shape:
    """What is the same on all nodes."""

    policy: Policy
    keys: ClusterKeys
    shards: int
    weather: Weather
    buffer: int


class Node:
    """
    A mail server that counts, bans, and shares both.

    Args:
        world: Its time.
        shape: What it has in common with the others.
        name: Its own.
        stores: Where it publishes.
        ahead_s: What its clock is ahead of the world's.

    """

    def __init__(
        self, world: World, shape: Shape, name: str, stores: Iterable[Store], ahead_s: float = 0.0
    ) -> None:
        self.name = name
        self.ahead_s = ahead_s
        self.never: frozenset[ClientKey] = frozenset()  # whom this node alone never bans
        self.links = [Link(world, store, shape.weather) for store in stores]
        self.banned_at_s: dict[ClientKey, float] = {}  # by the world's clock
        self._world = world
        self._shape = shape
        self._allowed: dict[ClientKey, Allowance] = {}
        self._due: set[int] = set()  # shards that will publish soon
        self._next_s = [0.0] * shape.shards  # when they may
        self._begin()
        world.every(BEAT_S, self._tick)

    def _begin(self) -> None:
        """Begin without any memory."""
        self.begun_s = self._world.now_s
        self.engine = SharedEngine(self._shape.policy, SECRET_BITS)
        self._join_in(None)

    def _join_in(self, before: Courier | None) -> None:
        """Become a member, with what the courier *before* knew of streams and peers."""
        shape, started = self._shape, int(self.now_s * 1000)
        self.member = Member(
            self.engine,
            node=self.name,
            started=started,
            shards=shape.shards,
            role="full",
            trust=("bans", "strikes"),
            secret_bits=SECRET_BITS,
            buffer=shape.buffer,
            admits=self._admits,
        )
        self.member.recall_allowed(self._allowed.values())
        self.courier = Courier(
            self._world,
            node=self.name,
            started=started,
            ahead_s=self.ahead_s,
            links=self.links,
            shards=shape.shards,
            keys=shape.keys,
            engine=self,
            before=before,
        )

    def spare(self, never: Iterable[ClientKey]) -> None:
        """Put clients on the never-list of this node alone."""
        self.never = frozenset(never)
        self._judge()

    def _judge(self) -> None:
        """Judge by what holds here: whom this node never bans, and whom operators have let in."""
        never = NetworkSet((*self.never, *self._allowed))
        self.engine.reconfigure(attrs.evolve(self._shape.policy, never=never))
        for client in never:
            self.engine.lift(client, self.now_s)

    @property
    def now_s(self) -> float:
        """The time by this node's clock."""
        return self._world.now_s + self.ahead_s

    def cut_off(self, is_cut: bool) -> None:
        """Cut it off from all stores, or let it come back."""
        for link in self.links:
            link.is_cut = is_cut

    def restart(self) -> None:
        """Begin again with what the ledger has: all but what waits for the store, hence once nothing does."""
        if self.member.outgoing:
            self._world.after(BATCH_S, self.restart)
            return
        self.courier.is_stopped = True
        self._join_in(self.courier)

    def restart_empty(self) -> None:
        """Begin again without any memory, as a new node does."""
        self.courier.is_stopped = True
        self._allowed.clear()
        self.banned_at_s.clear()
        self._begin()
        self._judge()

    # --- what happens at it

    def is_banned(self, client: ClientKey) -> bool:
        """Return whether *client* is refused here."""
        return self.engine.is_banned(client, self.now_s)

    def log_in(self, client: ClientKey, user: int, secret: int, *, is_right: bool) -> bool:
        """Let somebody try to log in; return whether that was refused unheard."""
        if self.is_banned(client):
            return True
        if is_right:
            self.engine.success(client, user, self.now_s)
        elif self._admits(client):
            self.engine.strike(
                Kind.AUTH_FAIL, client, self.now_s, f"user{user}", user, self._tag(secret), "smtp"
            )
        self._settle()
        return False

    def ban(self, client: ClientKey, length_s: int) -> None:
        """Ban *client* by hand, everywhere."""
        ban = self.engine.ban(client, int(self.now_s), rule=BY_HAND, reason="by hand", length_s=length_s)
        self._settle()
        self._speak(self.member.acted([ban]))

    def lift(self, client: ClientKey) -> None:
        """Lift the ban of *client*, everywhere, also if it is not known here."""
        time_s = self.member.stamp(self.now_s)
        ban = self.engine.lift(client, time_s)
        if ban is None:
            self.engine.hear_lift(client, time_s)
        else:
            time_s = max(time_s, ban.start_s)
        self._speak(self.member.acted([Lifted(client, time_s, "operator")]))

    def allow(self, client: ClientKey) -> None:
        """Never ban *client* again, everywhere."""
        now_s = self.member.stamp(self.now_s)
        allowance = Allowance(client, int(now_s), None, "a friend")
        self._let_in(allowance)
        self._speak(self.member.acted([Allowed(allowance, now_s)]))

    def _tag(self, secret: int) -> int:
        """Return the tag of a secret: some bits are the same on all nodes, the rest differs."""
        private = hash((self.name, secret)) << SECRET_BITS
        return (private | secret % (1 << SECRET_BITS)) & 0xFFFF_FFFF | 0x8000_0000

    def _admits(self, client: ClientKey) -> bool:
        return self.engine.policy.never.overlapping(client) is None

    def _let_in(self, allowance: Allowance) -> None:
        self._allowed[allowance.client] = allowance
        self._judge()

    # --- what is said

    def _settle(self) -> None:
        """Hand on what the engine decided."""
        outbox = self.engine.outbox
        if outbox:
            self.engine.outbox = Outbox()
            self._note(outbox.bans)
            self._speak(self.member.decided(outbox))

    def _note(self, bans: Iterable[Ban]) -> None:
        for ban in bans:
            self.banned_at_s.setdefault(ban.client, self._world.now_s)

    def _speak(self, shards: Iterable[int]) -> None:
        """Publish what *shards* have to say: the first at once, and what follows together a moment later."""
        for shard in shards:
            wait_s = self._next_s[shard] - self._world.now_s
            if wait_s <= 0:
                self._publish(shard)
            elif shard not in self._due:
                self._due.add(shard)
                self._world.after(wait_s, lambda shard=shard: self._publish(shard))  # type: ignore[misc]  # mypy 17470

    def _publish(self, shard: int) -> None:
        self._due.discard(shard)
        taken = self.member.outgoing.take(shard)
        if taken is not None:
            self._next_s[shard] = self._world.now_s + BATCH_S
            header, message = taken
            self.courier.publish(shard, header.first, message)

    def _tick(self) -> None:
        """Do what is done now and then."""
        self.engine.expire(self.now_s)
        self.engine.resolve(self.now_s)
        self._settle()
        self._speak(self.member.tick(self.now_s))

    # --- what the courier tells

    def published(self, shard: int, first: int) -> None:
        """Go on with *shard*, whose message that begins with the notice *first* has been taken."""
        self.member.outgoing.confirm(shard, first)
        self._speak([shard])

    def join(self, shard: int) -> None:
        """Expect the snapshot and all of the stream."""
        self.member.join(shard)

    def heard(self, shard: int, header: Header, message: bytes, shift_s: int) -> None:
        """Fold a message."""
        notices, _ = Decoder(header.node, shift_s).decode(read_notices(message))
        heard = self.member.hear(notices, self.now_s, node=header.node, shard=shard)
        self._note(heard.outbox.bans)
        for allowance in heard.allowed:
            self._let_in(allowance)

    def current(self, shard: int) -> None:
        """Know that all has been handed over that was there."""
        self.member.reconcile(shard, self.engine.bans.values(), self._allowed.values())
        self.member.joined(shard)
        self._speak([shard])

    def compose(self) -> Iterator[tuple[int, list[bytes]]]:
        """Yield the messages of a snapshot, by shard."""
        rows: list[list[list[object]]] = [[] for _ in range(self._shape.shards)]
        encoder = Encoder(SECRET_BITS)
        for notice in self.member.memory(self._allowed.values()):
            row = encoder.encode(notice)
            rows[shard_of(parse_network(row[1]), self._shape.shards)].append(row)
        for shard, own in enumerate(rows):
            chunks = [own[at : at + MAX_NOTICES] for at in range(0, len(own), MAX_NOTICES)]
            yield shard, [self._pack(chunk) for chunk in chunks]

    def _pack(self, rows: list[list[object]]) -> bytes:
        return pack(Header(node=self.name, started=0, first=1, count=len(rows)), rows)
