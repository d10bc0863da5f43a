# SPDX-License-Identifier: ISC
"""What the engine goes by: the configuration compiled into the form that judging needs."""

import math

import attrs

from filter_ban.client import ClientKey, NetworkSet
from filter_ban.config.schema import Config
from filter_ban.config.values import Limit
from filter_ban.model import Kind, Mode


@attrs.frozen(kw_only=True)
class Policy:
    """
    Limits, weights, ladder and exemptions, ready for use.

    ``limits`` ascend in window and in count: a limit that a shorter or longer one always reaches first is left out.
    ``few`` is the number of strikes below which no limit can be reached.
    """

    mode: Mode
    limits: tuple[Limit, ...]
    weights: dict[Kind, float]
    ladder: tuple[int | None, ...]
    forget_s: int
    ipv4_prefix: int
    ipv6_prefix: int
    max_clients: int
    never: NetworkSet
    few: int
    enough: float

    @classmethod
    def compile(cls, config: Config, surroundings: tuple[ClientKey, ...] = ()) -> "Policy":
        """
        Return the policy of *config*.

        Args:
            config: The configuration.
            surroundings: Our own addresses and gateways, never counted and never banned.

        """
        weights = {
            Kind.AUTH_FAIL: config.weights.auth_fail,
            Kind.UNKNOWN_USER: config.weights.unknown_user,
            Kind.AUTH_ABORT: config.weights.auth_abort,
            Kind.NO_TLS: config.weights.no_tls,
            Kind.NO_AUTH: config.weights.no_auth,
            Kind.RELAY_ATTEMPT: config.weights.relay_attempt,
            Kind.BAD_HELO: config.weights.bad_helo,
        }
        limits = ascending(config.limits.windows)
        heaviest = max(weights.values())
        return cls(
            mode=config.mode,
            limits=limits,
            weights=weights,
            ladder=config.ban.ladder,
            forget_s=config.ban.forget,
            ipv4_prefix=config.limits.ipv4_prefix,
            ipv6_prefix=config.limits.ipv6_prefix,
            max_clients=config.limits.max_clients,
            never=NetworkSet((*config.never.networks, *surroundings)),
            few=math.ceil(limits[0].count / heaviest) if heaviest else 1,
            enough=limits[-1].count,
        )

    @property
    def longest_window_s(self) -> int:
        """Age in seconds at which a strike decides nothing any more."""
        return self.limits[-1].window_s

    def length_s(self, offence: int) -> int | None:
        """Return the length in seconds of the ban for the *offence*-th time; None is for ever."""
        return self.ladder[min(offence, len(self.ladder)) - 1]


def ascending(limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """Return *limits* ascending in window and in count, without those that another one always reaches first."""
    kept: list[Limit] = []
    for limit in sorted(limits, key=lambda limit: (limit.window_s, limit.count)):
        while kept and kept[-1].count >= limit.count and kept[-1].window_s < limit.window_s:
            kept.pop()  # the longer window with the lower limit is always reached first
        if not kept or limit.window_s > kept[-1].window_s:
            kept.append(limit)
    return tuple(kept)
