# SPDX-License-Identifier: ISC
"""
The engine process's state, and what follows from it: what one part decides is handed on to the others here.

Called by the sensors' connections, the operator's commands and the clock; see ``main`` for who calls when. What an
answer depends on is plain synchronous code. What may concern a hundred thousand bans is done in turns.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filter_ban import logline, tags
from filter_ban.client import ClientKey, NetworkSet, is_ipv4, parse_network, prefix_of
from filter_ban.clients import Clients
from filter_ban.config import Config
from filter_ban.daemon import recall
from filter_ban.daemon.alarms import Alarms
from filter_ban.daemon.ban_log import log_bans, particulars
from filter_ban.daemon.enforcement import Enforcer
from filter_ban.daemon.hooks import HookObserver
from filter_ban.daemon.hourly import HourlyTallies
from filter_ban.daemon.minutes import AN_HOUR_S
from filter_ban.daemon.observer import Observer
from filter_ban.daemon.sensors import Sensors
from filter_ban.daemon.steering import Steering
from filter_ban.daemon.tallies import Tallies
from filter_ban.daemon.turns import PIECE, Turns
from filter_ban.engine import Engine, Policy
from filter_ban.engine.outbox import Outbox
from filter_ban.ledger import Ledger, LedgerWriter, Retention
from filter_ban.logline import fact
from filter_ban.model import HERE, Allowance, Ban, Mode
from filter_ban.recording import Encoder, Recorder

if TYPE_CHECKING:
    from filter_ban.cluster.member import Heard
    from filter_ban.daemon.cluster import ClusterLink
    from filter_ban.daemon.meter import Meter
    from filter_ban.daemon.sharing import Sharing

_log = logging.getLogger(__name__)


class Service:
    """Everything that runs in the engine process."""

    def __init__(
        self,
        *,
        config: Config,
        config_file: str,
        ledger_path: Path,
        listeners: list[dict[str, Any]],
        surroundings: Iterable[str],
        send: Callable[[bytes], None],
        cluster_secrets: dict[str, str] | None = None,
    ) -> None:
        self.config = config
        self.config_file = config_file
        self.ledger_path = ledger_path
        self.listeners = listeners
        self.started_s = time.time()
        self.send = send
        self.allowed: dict[ClientKey, Allowance] = {}
        self.steering = Steering(self)
        self.surroundings = NetworkSet(parse_network(text) for text in surroundings)
        policy = self._policy()
        self.meter = _meter(policy) if _has_metrics(listeners) else None
        self.enforcer = Enforcer(
            send,
            backends=config.firewall.backend,
            time_to_ban=None if self.meter is None else self.meter.time_to_ban,
        )
        self.alarms = Alarms(
            self.enforcer.state_of,
            check=lambda: self._begin(self.enforcer.sync()),
            ports=config.firewall.ports,
            clock=time.time,
        )
        sharing = None if cluster_secrets is None else _sharing(config, cluster_secrets)
        self.engine = Engine(policy) if sharing is None else sharing.engine(policy)
        self.clients = Clients(policy)
        self.restoring = True
        self.turns = Turns()
        self._tasks: set[asyncio.Task[object]] = set()
        self.stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        ledger, user_key = recall.open_ledger(ledger_path)
        remembered = {} if ledger is None else ledger.memory()
        self.writer = LedgerWriter(
            ledger_path,
            clock=time.time,
            retention=_retention(policy),
            ledger=ledger,
            user_key=user_key,
            on_committed=self._on_committed,
            on_opened=self._on_opened,
        )
        self.recorder = _recorder(config, user_key)
        self.sensors = Sensors(
            config=config,
            engine=self.engine,
            clients=self.clients,
            users=tags.UserTags(user_key) if sharing is None else sharing.users,
            secrets=tags.SecretTags() if sharing is None else sharing.secrets,
            recorder=self.recorder,
            heard=self.alarms.heard,
        )
        self.tallies = Tallies(self.engine, self.turns, lambda: self.sensors.refused, time.time)
        self.hourly = HourlyTallies(self, time.time)
        self.hooks = HookObserver(config.hooks, lambda: self.engine.policy.mode)
        self.observers: list[Observer] = [
            self.hourly,
            self.hooks,
        ]  # of what this node decides; tallies: of all
        if self.meter is not None:
            self.observers.append(self.meter)
        self.cluster: ClusterLink | None = None if sharing is None else sharing.link(self, remembered)

    def _policy(self) -> Policy:
        surroundings = tuple(self.surroundings) if self.config.never.own_addresses else ()
        return Policy.compile(self.config, (*surroundings, *self.allowed))

    # --- what the ledger remembers

    async def recall_bans(self) -> None:
        """Take over the bans from the ledger, put them in force, and hand the ledger to its writer."""
        await self.steering.recall(await recall.allowances(self.ledger_path))
        mode = self.engine.policy.mode
        async for bans in recall.bans(self.ledger_path):
            self.enforcer.start(self._take_over(bans), mode, more=True)
        self.enforcer.start((), mode, more=False)
        self.writer.start()
        gc.freeze()

    async def recall_past(self) -> None:
        """Read back logins, offences, and the strikes that still count, while new ones are counted already."""
        remembered_s = time.time() - self.engine.policy.guard.remember
        async for logins in recall.logins(self.ledger_path, remembered_s):
            await self.turns.next()
            self.engine.restore_logins(logins)
            if self.cluster is not None:
                self.cluster.restore_logins(logins)
        async for offences in recall.offences(self.ledger_path, self.config.ban.forget):
            await self.turns.next()
            self.engine.restore((), offences)
        if self.cluster is not None:
            async for lifts in recall.lifts(self.ledger_path, self.config.ban.forget):
                self.cluster.restore_lifts(lifts)
        since_s = time.time() - self.engine.policy.longest_window_s
        async for strikes in recall.strikes(self.ledger_path, since_s):
            await self.turns.next()
            self.engine.restore_strikes(strikes)
            if self.cluster is not None:
                self.cluster.restore_strikes(strikes)
            self.tallies.recall_strikes(strikes)
            self.settle()
        async for starts_s in recall.ban_starts(self.ledger_path, self.started_s - AN_HOUR_S):
            self.tallies.minutes.recall("bans", starts_s)
        self.restoring = False

    def _take_over(self, bans: Iterable[Ban]) -> list[Ban]:
        never = self.engine.policy.never
        known = self.engine.bans
        taken = [ban for ban in bans if ban.client not in known and never.covering(ban.client) is None]
        self.engine.restore(taken, ())
        return taken

    def _on_opened(self, ledger: Ledger) -> None:
        """Join a ledger that could not be used before with what was decided since; called in the writer's thread."""
        memory = recall.memory(ledger, self.config.ban.forget)
        self._loop.call_soon_threadsafe(self._join, *memory)

    def _join(self, allowances: list[Allowance], bans: list[Ban], offences: list[recall.Offence]) -> None:
        self.writer.allow(list(self.allowed.values()))
        self.writer.record(list(self.engine.bans.values()))
        self._begin(self._take_over_all(allowances, bans, offences))

    async def _take_over_all(
        self, allowances: list[Allowance], bans: list[Ban], offences: list[recall.Offence]
    ) -> None:
        await self.steering.recall(allowances)
        async for piece in self.turns.pieces(bans):
            self.enforcer.push(self._take_over(piece), committed=True)
        async for past in self.turns.pieces(offences):
            self.engine.restore((), past)

    def _begin(self, work: Coroutine[Any, Any, object]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what the enforcer says, and what time brings

    async def heard(self, verb: str, argument: Any) -> None:
        """Heed a message of the enforcer."""
        match verb:
            case "outcome":
                backend = argument.pop("backend")
                for what, news in argument.items():
                    async for piece in self.turns.pieces(news):
                        self.enforcer.outcome({"backend": backend, what: piece})
                        if what == "in_force":
                            self.alarms.made(map(parse_network, piece))
            case "synced":
                self.enforcer.synced(argument)
            case "surroundings":
                self.surroundings = NetworkSet(parse_network(text) for text in argument)
                await self.reconfigure(self.config)
            case "reload":
                await self.steering.reloaded(argument)
            case "stop":
                self.stopping.set()
            case _:
                _log.error(
                    fact(
                        "unknown-message",
                        verb=verb,
                        why="the enforcer is of another version",
                        remedy="restart the daemon",
                    )
                )

    async def expire(self) -> None:
        """End the bans whose time is over, and weigh up what nothing has resolved by now."""
        self.alarms.forget()
        await self.steering.expire()
        self.tallies.minutes.tick()
        self.hourly.pass_time()
        self.engine.resolve(time.time())
        self.settle()
        over = self.engine.expire(time.time(), PIECE)
        while over:
            self.enforcer.withdraw([ban.client for ban in over])
            self._tell_ended(over, "time")
            log_bans("expire", over, lambda ban: {"reference": ban.reference})
            await self.turns.next()
            over = self.engine.expire(time.time(), PIECE)

    async def forget(self) -> None:
        """Drop the offences that are older than the memory for them."""
        async for piece in self.turns.pieces(list(self.engine.offenders)):
            self.engine.forget_offences(time.time(), piece)

    async def reconfigure(self, config: Config, *, firewall_anew: bool = False) -> list[Ban]:
        """
        Go by *config*, and by who is never banned now; all answers from here on do.

        Args:
            config: With everything that cannot change while the process runs as it is.
            firewall_anew: The enforcer must be told again what should be in force.

        Returns: the bans that have ended by that.
        """
        firewall_anew = firewall_anew or config.mode is not self.config.mode
        self.config = config
        logline.set_level(config.log.level)
        policy = self._policy()
        self.engine.reconfigure(policy)
        self.clients.reconfigure(policy)
        self.writer.retention = _retention(policy)
        self.sensors.reconfigure(config)
        self.hooks.reconfigure(config.hooks)
        self.alarms.judge_by(config.firewall.ports)
        if self.cluster is not None:
            self.cluster.retain()
        lifted = await self._lift_spared(policy)
        if firewall_anew:
            await self._push_all()
        return lifted

    async def _push_all(self) -> None:
        """Tell the enforcer anew what should be in force, and then what has changed meanwhile."""
        config, bans = self.config, self.engine.bans
        self.enforcer.begin(config.firewall.backend, config.mode)
        told: dict[ClientKey, Ban] = {}
        async for piece in self.turns.pieces(list(bans.values())):
            active = [ban for ban in piece if bans.get(ban.client) is ban]
            told |= {ban.client: ban for ban in active}
            self.enforcer.start(active, config.mode, more=True)
        self.enforcer.start((), config.mode, more=False)
        self.enforcer.remove(client for client in told if client not in bans)
        self.enforcer.push_again(ban for client, ban in bans.items() if told.get(client) is not ban)

    async def _lift_spared(self, policy: Policy) -> list[Ban]:
        now_s = time.time()
        lifted: list[Ban] = []
        async for piece in self.turns.pieces(list(self.engine.bans.values())):
            covered = [ban for ban in piece if policy.never.covering(ban.client) is not None]
            spared = [ban for ban in covered if self.engine.lift(ban.client) is not None]
            self.ended(spared, "never-list", now_s)
            lifted += spared
        return lifted

    # --- consequences

    def settle(self) -> None:
        """Hand on what the engine decided: to ledger, enforcer, log and other nodes. Nothing here waits."""
        outbox = self.engine.outbox
        if not outbox:
            return
        self.engine.outbox = Outbox()
        self._record(outbox)
        if outbox.strikes:
            self.tallies.struck(outbox.strikes)
            for observer in self.observers:
                observer.struck(outbox.strikes)
        if outbox.bans:
            self._begin_bans(outbox.bans)
            self.announce(outbox.bans)
            for observer in self.observers:
                observer.banned(outbox.bans)
        if self.cluster is not None:
            self.cluster.decided(outbox)

    def take_over(self, heard: "Heard", *, in_bulk: bool = False) -> list[Ban]:
        """
        Hand on what came of what other nodes said; *in_bulk*: it is their memory.

        Returns: the bans that have begun, for :meth:`announce`.

        """
        self._record(heard.outbox)
        for lift, ban in heard.lifts:
            self.writer.lift([lift.client], lift.time_s, lift.by)
            if ban is not None:
                self._end_bans([ban], lift.by)
        bans = [ban for ban in heard.outbox.bans if self.engine.bans.get(ban.client) is ban]
        if bans:
            self._begin_bans(bans, in_bulk=in_bulk)
        if heard.allowed or heard.disallowed:
            self._begin(self.steering.hear(heard.allowed, heard.disallowed))
        return bans

    def _record(self, outbox: Outbox) -> None:
        if outbox.strikes:
            self.writer.strike(outbox.strikes)
        if outbox.logins:
            self.writer.login(outbox.logins)
        if outbox.forgiven:
            self.writer.forgive(outbox.forgiven)

    def _begin_bans(self, bans: list[Ban], *, in_bulk: bool = False) -> None:
        self.enforcer.push(bans, in_bulk=in_bulk)
        self.enforcer.withdraw([ban.client for ban in bans if not ban.firewall])  # of what it has replaced
        self.writer.record(bans)
        self.tallies.banned(bans)

    def announce(self, bans: list[Ban]) -> None:
        """Log that *bans* have begun."""
        watching = self.engine.policy.mode is Mode.WATCH
        log_bans("would-ban" if watching else "ban", bans, particulars)

    def admits(self, client: ClientKey) -> bool:
        """Return whether another node may have *client* banned here."""
        widest = self.config.never.widest
        wide_enough = prefix_of(client) >= (widest.ipv4 if is_ipv4(client) else widest.ipv6)
        return wide_enough and self.engine.policy.never.overlapping(client) is None

    def ended(self, bans: list[Ban], by: str, now_s: float) -> None:
        """Hand on that the engine has lifted *bans*."""
        if bans:
            for ban in bans:
                self.writer.lift([ban.client], max(now_s, ban.start_s), by)
            self._end_bans(bans, by)

    def _end_bans(self, bans: list[Ban], by: str) -> None:
        self.enforcer.withdraw([ban.client for ban in bans])
        self._tell_ended(bans, by)
        log_bans("lift", bans, lambda _: {"by": by})

    def _tell_ended(self, bans: list[Ban], by: str) -> None:
        self.tallies.ended(bans, by)
        own = [ban for ban in bans if ban.node in ("", HERE)]
        for observer in self.observers:
            observer.ended(own, by)

    def _on_committed(self, bans: Iterable[Ban]) -> None:
        """Take note of a commit; called in the ledger's thread."""
        self._loop.call_soon_threadsafe(self.enforcer.committed, [ban.client for ban in bans])


def _retention(policy: Policy) -> Retention:
    return Retention(
        strike_age_s=policy.longest_window_s,
        ban_age_s=policy.forget_s,
        login_age_s=policy.guard.remember,
    )


def _meter(policy: Policy) -> "Meter":
    from filter_ban.daemon.meter import Meter  # noqa: PLC0415 - where nobody asks, nothing is measured

    return Meter(policy)


def _sharing(config: Config, secrets: dict[str, str]) -> "Sharing":
    from filter_ban.daemon.sharing import Sharing  # noqa: PLC0415 - for a node of a cluster

    return Sharing(config.cluster, secrets)


def _has_metrics(listeners: Iterable[dict[str, Any]]) -> bool:
    return any(one["service"] == "metrics" and one["fd"] is not None for one in listeners)


def _recorder(config: Config, user_key: bytes) -> Recorder | None:
    if config.record.path is None:
        return None
    recorder = Recorder(config.record.path, Encoder(user_key, config.users.traps))
    recorder.start()
    return recorder
