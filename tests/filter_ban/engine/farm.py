# SPDX-License-Identifier: ISC
"""A few nodes with shared engines that tell each other what they see: in any order, late and more than once."""

from typing import Final

import attrs

from filter_ban.client import ClientKey
from filter_ban.config import parse_config
from filter_ban.engine import Policy, history
from filter_ban.engine.outbox import Outbox
from filter_ban.engine.shared import SharedEngine
from filter_ban.model import Ban, Kind, Login, Pardon, Reweighing, Strike

SECRET_BITS: Final = 12
Lift = tuple[ClientKey, float]
Notice = Strike | Pardon | Reweighing | Login | Ban | Lift


class Node:
    """A node whose clock is *ahead_s* ahead."""

    def __init__(self, policy: Policy, name: str, ahead_s: float) -> None:
        self.engine = SharedEngine(policy, SECRET_BITS)
        self.said: list[Notice] = []
        self._name = name
        self._ahead_s = ahead_s

    def fail(self, now_s: float, kind: Kind, client: ClientKey, user: int, secret: int) -> None:
        """See a failed login, or something like it."""
        self.engine.strike(kind, client, now_s + self._ahead_s, "", user, secret)
        self._say()

    def log_in(self, now_s: float, client: ClientKey, user: int) -> None:
        """See a login."""
        self.engine.success(client, user, now_s + self._ahead_s)
        self._say()

    def lift(self, now_s: float, client: ClientKey) -> None:
        """Have the ban of *client* lifted by the operator of this node."""
        ban = self.engine.lift(client, now_s + self._ahead_s)
        if ban is not None:
            self.said.append((client, max(now_s + self._ahead_s, ban.start_s)))

    def pass_time(self, now_s: float) -> None:
        """Do what is due."""
        self.engine.resolve(now_s + self._ahead_s)
        self._say()

    def hear(self, notice: Notice, now_s: float) -> None:
        """Fold what another node says."""
        own, self.engine.outbox = self.engine.outbox, Outbox()
        now_s += self._ahead_s
        match notice:
            case Strike():
                self.engine.hear_strike(notice, now_s)
            case Pardon():
                self.engine.hear_pardon(notice)
            case Reweighing():
                self.engine.hear_reweighing(notice, now_s)
            case Login():
                self.engine.hear_login(notice)
            case Ban():
                self.engine.hear_ban(notice, now_s)
            case client, time_s:
                self.engine.hear_lift(client, time_s)
        self.engine.outbox = own

    def _say(self) -> None:
        """Tell others what this node has decided."""
        decided, self.engine.outbox = self.engine.outbox, Outbox()
        strikes = (one for one in decided.strikes if one.weight)
        self.said += [attrs.evolve(strike, node=self._name) for strike in strikes]
        self.said += [*decided.forgiven, *decided.reweighed, *decided.logins]
        self.said += [attrs.evolve(ban, node=self._name) for ban in decided.bans]


class Farm:
    """Nodes, and how far each has heard each other."""

    def __init__(self, config: str, clocks: tuple[float, ...]) -> None:
        policy = Policy.compile(parse_config(config))
        self.policy = policy
        self.nodes = [Node(policy, f"mx{number}", ahead_s) for number, ahead_s in enumerate(clocks)]
        self._heard = {(one, other): 0 for one in self.nodes for other in self.nodes if one is not other}

    def deliver(self, now_s: float, listener: int, speaker: int, most: int, again: int = 0) -> None:
        """Let one node hear up to *most* notices of another in their order, the last *again* once more."""
        one, other = self.nodes[listener], self.nodes[speaker]
        if one is not other:
            heard = self._heard[one, other]
            for notice in other.said[max(0, heard - again) : heard + most]:
                one.hear(notice, now_s)
            self._heard[one, other] = min(len(other.said), heard + most)

    def settle(self, now_s: float) -> None:
        """Let all hear all there is, and exchange bans until nothing is new; end what is over."""
        for node in self.nodes:
            node.pass_time(now_s)
        for listener in range(len(self.nodes)):
            for speaker in range(len(self.nodes)):
                self.deliver(now_s, listener, speaker, len(self.nodes[speaker].said))
        while self._exchange(now_s):
            pass
        for node in self.nodes:
            node.engine.expire(now_s)

    def _exchange(self, now_s: float) -> bool:
        bans = [ban for node in self.nodes for ban in node.engine.bans.values()]
        news = [node.engine.hear_ban(ban, now_s) for node in self.nodes for ban in bans]
        return any(news)

    def bans(self) -> list[set[tuple[ClientKey, int, int | None]]]:
        """Return the bans of each node."""
        return [
            {(ban.client, ban.start_s, ban.end_s) for ban in node.engine.bans.values()} for node in self.nodes
        ]

    def strikes(self, client: ClientKey, now_s: float) -> list[set[tuple[float, int, int]]]:
        """Return the strikes of each node against *client* that can still decide something: time, weight, user."""
        return [deciding(node.engine, client, now_s) for node in self.nodes]


def deciding(engine: SharedEngine, client: ClientKey, now_s: float) -> set[tuple[float, int, int]]:
    """Return the strikes against *client* that can still decide something: time, weight in hundredths, user."""
    past = engine._table(client).get(client, b"")
    policy = engine.policy
    trimmed = history.trim(past, policy.longest_window_s, policy.enough) if past else b""
    records = history._RECORD.iter_unpack(trimmed)
    return {
        (time_s, weight, user)
        for time_s, weight, user, _ in records
        if weight and now_s - time_s < policy.longest_window_s
    }


def of(bans: list[Ban]) -> list[tuple[int, int | None, str]]:
    """Return start, end and rule of each."""
    return [(ban.start_s, ban.end_s, ban.rule) for ban in bans]
