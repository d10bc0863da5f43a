# SPDX-License-Identifier: ISC
"""What the engine goes by: the configuration compiled into the form that judging needs."""

import re
from typing import Final, TypeAlias

import attrs

from filter_ban.client import ClientKey, NetworkSet
from filter_ban.config.schema import Config, Guard, Override, Siege, Widen
from filter_ban.config.values import Limit
from filter_ban.engine.history import HUNDREDTHS, MAX_HUNDREDTHS
from filter_ban.engine.names import Names
from filter_ban.model import Kind, Mode

HARD: Final = frozenset({Kind.DECOY, Kind.FOREIGN_DOMAIN, Kind.TRAP_USER, Kind.REPORTED})
"""What bans at once."""

Ladder: TypeAlias = tuple[int | None, ...]  # length of a ban in seconds by offence; None is for ever


@attrs.frozen
class Exemption:
    """
    What holds for some networks and services in place of the rest; see ``[[override]]``.

    ``services`` matches how the name of a service begins; a number at its end is whole: port 22 is not 2222.
    """

    networks: NetworkSet
    services: re.Pattern[str]
    factor: float
    limits: tuple[Limit, ...]
    ladder: Ladder

    @classmethod
    def compile(cls, override: Override, limits: tuple[Limit, ...], ladder: Ladder) -> "Exemption":
        """Return the exemption of *override*; *limits* and *ladder* hold where it has none of its own."""
        names = (re.escape(name) + (r"(?!\d)" if name[-1:].isdigit() else "") for name in override.services)
        return cls(
            NetworkSet(override.networks),
            re.compile("|".join(names)),
            override.factor,
            ascending(override.windows) if override.windows else limits,
            override.ladder or ladder,
        )

    def fits(self, client: ClientKey, service: str) -> bool:
        """Return whether it is for *client* at *service*."""
        return (not self.networks or self.networks.covering(client) is not None) and self.services.match(
            service
        ) is not None


@attrs.frozen(kw_only=True)
class Policy:
    """
    Limits, weights, ladder and exemptions, ready for use.

    ``limits`` ascend in window and in count: a limit that a shorter or longer one always reaches first is left out.
    Weights are in hundredths of a strike.
    """

    mode: Mode
    limits: tuple[Limit, ...]
    weights: dict[Kind, int]
    relapse: float
    ladder: Ladder
    forget_s: int
    ipv4_prefix: int
    ipv6_prefix: int
    widest: tuple[int, int]
    max_clients: int
    never: NetworkSet
    names: Names
    guard: Guard
    siege: Siege
    widen: Widen
    exemptions: tuple[Exemption, ...]

    @classmethod
    def compile(cls, config: Config, surroundings: tuple[ClientKey, ...] = ()) -> "Policy":
        """
        Return the policy of *config*.

        Args:
            config: The configuration.
            surroundings: Our own addresses and gateways, never counted and never banned.

        """
        limits = ascending(config.limits.windows)
        at_once = min(round(limits[0].count * HUNDREDTHS), MAX_HUNDREDTHS)
        weights = {
            Kind.AUTH_FAIL: config.weights.auth_fail,
            Kind.UNKNOWN_USER: config.weights.unknown_user,
            Kind.AUTH_ABORT: config.weights.auth_abort,
            Kind.NO_TLS: config.weights.no_tls,
            Kind.NO_AUTH: config.weights.no_auth,
            Kind.RELAY_ATTEMPT: config.weights.relay_attempt,
            Kind.BAD_HELO: config.weights.bad_helo,
        }
        return cls(
            mode=config.mode,
            limits=limits,
            weights={kind: round(weight * HUNDREDTHS) for kind, weight in weights.items()}
            | dict.fromkeys(HARD, at_once),
            relapse=config.limits.relapse,
            ladder=config.ban.ladder,
            forget_s=config.ban.forget,
            ipv4_prefix=config.limits.ipv4_prefix,
            ipv6_prefix=config.limits.ipv6_prefix,
            widest=(config.never.widest.ipv4, config.never.widest.ipv6),
            max_clients=config.limits.max_clients,
            never=NetworkSet((*config.never.networks, *surroundings)),
            names=Names(config.users.domains, config.users.traps),
            guard=config.guard,
            siege=config.siege,
            widen=config.widen,
            exemptions=tuple(
                Exemption.compile(override, limits, config.ban.ladder) for override in config.override
            ),
        )

    @property
    def longest_window_s(self) -> int:
        """Age in seconds at which a strike decides nothing any more."""
        return max(limits[-1].window_s for limits in self.all_limits())

    @property
    def enough(self) -> float:
        """The highest limit: strikes behind so many newer ones decide nothing any more."""
        return max(limits[-1].count for limits in self.all_limits())

    def all_limits(self) -> list[tuple[Limit, ...]]:
        """Return the limits that hold for anybody."""
        return [self.limits, *(exemption.limits for exemption in self.exemptions)]

    def exemption(self, client: ClientKey, service: str) -> Exemption | None:
        """Return the first exemption that *client* has at *service*."""
        return next((one for one in self.exemptions if one.fits(client, service)), None)


def ban_length_s(ladder: Ladder, offence: int) -> int | None:
    """Return the length in seconds of the ban for the *offence*-th time; None is for ever."""
    return ladder[min(offence, len(ladder)) - 1]


def ascending(limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """Return *limits* ascending in window and in count, without those that another one always reaches first."""
    kept: list[Limit] = []
    for limit in sorted(limits, key=lambda limit: (limit.window_s, limit.count)):
        while kept and kept[-1].count >= limit.count and kept[-1].window_s < limit.window_s:
            kept.pop()  # the longer window with the lower limit is always reached first
        if not kept or limit.window_s > kept[-1].window_s:
            kept.append(limit)
    return tuple(kept)
