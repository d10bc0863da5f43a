# SPDX-License-Identifier: ISC
"""
The fold over past signals under one configuration, and what is found.

Bans begin and end by the time of events. What a client does during its ban would have been refused, so it is counted as
stopped and does not go into the engine; see :func:`filter_ban.signals.feed`.
"""

import math
from collections import Counter
from typing import Final

import attrs

from filter_ban.client import LOOPBACK, ClientKey
from filter_ban.clients import Clients
from filter_ban.config import Config
from filter_ban.engine import Engine, Policy
from filter_ban.model import Ban, Kind, Mode
from filter_ban.signals import Signal, feed

GUESSES: Final = (Kind.AUTH_FAIL, Kind.UNKNOWN_USER, Kind.AUTH_ABORT, Kind.DECOY)


@attrs.define
class Case:
    """A ban that would have been, and how many guesses it would have stopped."""

    ban: Ban
    stopped: int = 0


@attrs.define
class Innocent:
    """
    A client that was banned, and logged in during a ban or later.

    It may also be a guesser who guessed right; ``before``, its logins before the first ban, speaks against that.
    """

    client: ClientKey
    user: str  # of the first login
    login_s: float  # of the first login
    before: int
    refused: int = 0  # logins during bans
    later: int = 0  # logins after bans
    lost_s: float = 0.0  # from the first refused login of each ban to the ban's end; infinite: for ever
    refused_by: Ban | None = None  # the last one


class Replay:
    """
    Judges signals by a configuration.

    Args:
        config: The configuration. Of our own addresses only loopback is spared: the others are those of another machine,
            or of another time.

    """

    def __init__(self, config: Config) -> None:
        surroundings = LOOPBACK if config.never.own_addresses else ()
        policy = Policy.compile(config, surroundings)
        self.engine = Engine(policy)
        self.has_firewall = policy.mode is Mode.ENFORCE and bool(config.firewall.backend)
        self.counts: Counter[Kind] = Counter()
        self.exempt = 0
        self.cases: list[Case] = []
        self.innocents: dict[ClientKey, Innocent] = {}
        self._clients = Clients(policy)
        self._latest_s = 0.0
        self._last: dict[ClientKey, Case] = {}  # the last ban of each client or prefix
        self._logins: Counter[ClientKey] = Counter()  # of clients that were not banned so far

    def take(self, signal: Signal) -> None:
        """Judge *signal*, which comes after all that were taken before."""
        self.counts[signal.kind] += 1
        client = self._clients.of(signal.address)
        if not client:
            self.exempt += 1
            return
        if signal.time_s > self._latest_s:
            self._latest_s = signal.time_s
            self.engine.expire(signal.time_s)
            self.engine.resolve(signal.time_s)
            self._collect()
        ban = feed(self.engine, self._clients, signal)
        if signal.kind is Kind.AUTH_PASS:
            self._logged_in(client, signal, ban)
        elif ban is not None and signal.kind in GUESSES:
            self._last[ban.client].stopped += 1
        self._collect()

    def finish(self) -> None:
        """Judge what was left open when the signals ended."""
        self.engine.resolve(self._latest_s + self.engine.policy.siege.patience)
        self._collect()

    @property
    def guesses(self) -> int:
        """How many guesses there were."""
        return sum(self.counts[kind] for kind in GUESSES)

    def stopped(self, *, firewall: bool) -> int:
        """Return how many guesses would have been stopped, by the firewall or in the dialogue."""
        return sum(case.stopped for case in self.cases if self.in_firewall(case.ban) is firewall)

    def in_firewall(self, ban: Ban) -> bool:
        """Return whether *ban* would have been pushed to the firewall."""
        return self.has_firewall and ban.firewall

    def _collect(self) -> None:
        """Take what the engine decided."""
        outbox = self.engine.outbox
        if outbox.strikes:
            outbox.strikes.clear()
        if outbox.forgiven:
            outbox.forgiven.clear()
        if outbox.reweighed:
            outbox.reweighed.clear()
        for ban in outbox.bans:
            case = self._last[ban.client] = Case(ban)
            self.cases.append(case)
        outbox.bans.clear()
        outbox.logins.clear()

    def _logged_in(self, client: ClientKey, signal: Signal, ban: Ban | None) -> None:
        innocent = self.innocents.get(client)
        if innocent is None:
            if ban is None and client not in self._last:
                self._logins[client] += 1
                return
            innocent = self.innocents[client] = Innocent(
                client, signal.user, signal.time_s, self._logins[client]
            )
        if ban is None:
            innocent.later += 1
            return
        innocent.refused += 1
        if ban is not innocent.refused_by:
            innocent.refused_by = ban
            innocent.lost_s += math.inf if ban.end_s is None else ban.end_s - signal.time_s
