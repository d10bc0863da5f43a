# SPDX-License-Identifier: ISC
"""
The engine process's state, and what follows from it: what one part decides is handed on to the others here.

Plain synchronous code, called by the sensors' connections, the operator's commands and the clock; see ``main`` for who
calls when.
"""

import asyncio
import gc
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from filter_ban import tags
from filter_ban.client import NetworkSet, key_text, parse_network
from filter_ban.clients import Clients
from filter_ban.config import Config
from filter_ban.daemon import recall
from filter_ban.daemon.enforcement import Enforcer
from filter_ban.engine import Engine, Policy
from filter_ban.ledger import Ledger, LedgerWriter, Retention
from filter_ban.logline import fact
from filter_ban.model import Ban, Mode
from filter_ban.sensors.opensmtpd import OpensmtpdSensor
from filter_ban.verdicts import Verdicts

_log = logging.getLogger(__name__)


class Service:
    """Everything that runs in the engine process."""

    def __init__(
        self,
        *,
        config: Config,
        config_file: str,
        ledger_path: Path,
        surroundings: Iterable[str],
        send: Callable[[bytes], None],
    ) -> None:
        self.config = config
        self.config_file = config_file
        self.ledger_path = ledger_path
        self.started_s = time.time()
        self.enforcer = Enforcer(send, backend=config.firewall.backend)
        self.surroundings = NetworkSet(parse_network(text) for text in surroundings)
        policy = self._policy()
        self.engine = Engine(policy)
        self.clients = Clients(policy)
        self.verdicts = Verdicts(self.engine, config.reply.banned)
        self.restoring = True
        self._retired: Counter[str] = Counter()
        self._sensors: set[OpensmtpdSensor] = set()
        self._secrets = tags.SecretTags()
        self.stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        ledger, user_key = recall.open_ledger(ledger_path)
        self.users = tags.UserTags(user_key)
        self.writer = LedgerWriter(
            ledger_path,
            clock=time.time,
            retention=Retention(strike_age_s=policy.longest_window_s, ban_age_s=policy.forget_s),
            ledger=ledger,
            user_key=user_key,
            on_committed=self._on_committed,
            on_opened=self._on_opened,
        )

    def _policy(self) -> Policy:
        surroundings = tuple(self.surroundings) if self.config.never.own_addresses else ()
        return Policy.compile(self.config, surroundings)

    # --- what the ledger remembers

    def recall_bans(self) -> None:
        """Take over the bans from the ledger, put them in force, and hand the ledger to its writer."""
        self._take_over(recall.bans(self.ledger_path), ())
        self.enforcer.start(self.engine.bans.values(), self.engine.policy.mode)
        self.writer.start()
        gc.freeze()

    async def recall_past(self) -> None:
        """Read back offences, and the strikes that still count, while new ones are counted already."""
        self.engine.restore(
            (), await asyncio.to_thread(recall.offences, self.ledger_path, self.config.ban.forget)
        )
        await recall.strikes(
            self.ledger_path, time.time() - self.engine.policy.longest_window_s, self.engine.restore_strikes
        )
        self.engine.finish_restoring()
        self.restoring = False

    def _take_over(self, bans: Iterable[Ban], offences: Iterable[recall.Offence]) -> list[Ban]:
        never = self.engine.policy.never
        known = self.engine.bans
        taken = [ban for ban in bans if ban.client not in known and never.covering(ban.client) is None]
        self.engine.restore(taken, offences)
        return taken

    def _on_opened(self, ledger: Ledger) -> None:
        """Join a ledger that could not be used before with what was decided since; called in the writer's thread."""
        memory = recall.memory(ledger, self.config.ban.forget)
        self._loop.call_soon_threadsafe(self._join, *memory)

    def _join(self, bans: list[Ban], offences: list[recall.Offence]) -> None:
        decided = list(self.engine.bans.values())
        self.enforcer.push(self._take_over(bans, offences), committed=True)
        self.writer.record(decided)

    # --- what the enforcer says, and what time brings

    def heard(self, verb: str, argument: Any) -> None:
        """Heed a message of the enforcer."""
        match verb:
            case "outcome":
                self.enforcer.outcome(argument)
            case "synced":
                self.enforcer.synced(argument)
            case "surroundings":
                self.surroundings = NetworkSet(parse_network(text) for text in argument)
                self._reconfigure()
            case "stop":
                self.stopping.set()
            case _:
                _log.error(fact("unknown-message", verb=verb))

    def expire(self) -> None:
        """End the bans whose time is over."""
        over = self.engine.expire(time.time())
        if over:
            self.enforcer.withdraw([ban.client for ban in over])
            for ban in over:
                _log.info(fact("expire", client=key_text(ban.client), reference=ban.reference))

    def forget(self) -> None:
        """Drop the offences that are older than the memory for them."""
        self.engine.forget_offences(time.time())

    def _reconfigure(self) -> None:
        policy = self._policy()
        spared = self.engine.reconfigure(policy)
        self.clients.reconfigure(policy)
        self.ended(spared, "never-list")

    # --- sensors

    def new_sensor(self) -> OpensmtpdSensor:
        """Return a sensor for one more smtpd."""
        sensor = OpensmtpdSensor(
            engine=self.engine,
            clients=self.clients,
            verdicts=self.verdicts,
            users=self.users,
            secrets=self._secrets,
            smtps_ports=self.config.opensmtpd.smtps_ports,
            clock=time.time,
        )
        self._sensors.add(sensor)
        return sensor

    @property
    def relays(self) -> int:
        """How many relays are connected."""
        return len(self._sensors)

    def retire(self, sensor: OpensmtpdSensor) -> None:
        """Keep the counts of a sensor whose smtpd is gone."""
        self._sensors.discard(sensor)
        self._retired.update(sensor.counts)

    @property
    def events(self) -> Counter[str]:
        """What all sensors saw, by kind."""
        return sum((sensor.counts for sensor in self._sensors), self._retired.copy())

    # --- consequences

    def settle(self) -> None:
        """Hand on what the engine decided: to ledger, enforcer and log. Nothing here waits."""
        outbox = self.engine.outbox
        if not outbox:
            return
        if outbox.strikes:
            self.writer.strike(outbox.strikes)
            outbox.strikes = []
        if outbox.forgiven:
            self.writer.forgive(outbox.forgiven)
            outbox.forgiven = []
        if outbox.bans:
            bans, outbox.bans = outbox.bans, []
            self.enforcer.push(bans)
            self.writer.record(bans)
            for ban in bans:
                self._log_ban(ban)

    def _log_ban(self, ban: Ban) -> None:
        watching = self.engine.policy.mode is Mode.WATCH
        _log.info(
            fact(
                "would-ban" if watching else "ban",
                client=key_text(ban.client),
                until=ban.end_s or "lifted",
                rule=ban.rule,
                strikes=f"{ban.strikes:g}",
                offence=ban.offence,
                reference=ban.reference,
            )
        )

    def ended(self, bans: Iterable[Ban], by: str) -> None:
        """Hand on that the engine has lifted *bans*."""
        clients = [ban.client for ban in bans]
        if not clients:
            return
        self.enforcer.withdraw(clients)
        self.writer.lift(clients, time.time(), by)
        for client in clients:
            _log.info(fact("lift", client=key_text(client), by=by))

    def _on_committed(self, bans: Iterable[Ban]) -> None:
        """Take note of a commit; called in the ledger's thread."""
        self._loop.call_soon_threadsafe(self.enforcer.committed, [ban.client for ban in bans])
