# SPDX-License-Identifier: ISC
"""What is measured only while there are metrics; all else is counted in any case, and read where it is."""

from collections.abc import Iterator
from typing import Final

from filter_ban.daemon.observer import Observer
from filter_ban.daemon.time_to_ban import TimeToBan
from filter_ban.engine.ban_book import WIDENED
from filter_ban.engine.policy import HARD, Policy
from filter_ban.explanation import BY_HAND
from filter_ban.metrics import Histogram, Tally
from filter_ban.metrics.histogram import ANSWER_BOUNDS_S, LAG_BOUNDS_S
from filter_ban.model import Ban

ANSWERING: Final = ("opensmtpd", "postfix", "dovecot", "decoy")
ENDERS: Final = ("time", "operator", "never-list")


class Meter(Observer):
    """
    Answers, bans and delays since the start.

    Args:
        policy: Names the rules that a ban may come of.

    """

    def __init__(self, policy: Policy) -> None:
        self.answers = {sensor: Histogram(ANSWER_BOUNDS_S) for sensor in ANSWERING}
        self.bans = Tally(_rules(policy))
        self.ended_by = Tally(ENDERS)
        self.time_to_ban = TimeToBan()
        self.loop_lag = Histogram(LAG_BOUNDS_S)

    def banned(self, bans: list[Ban]) -> None:
        """Count bans by their rule."""
        for ban in bans:
            self.bans.count(ban.rule)

    def ended(self, bans: list[Ban], by: str) -> None:
        """Count bans by who ended them."""
        for _ in bans:
            self.ended_by.count(by)


def _rules(policy: Policy) -> Iterator[str]:
    yield from (limit.text for limits in policy.all_limits() for limit in limits)
    yield from sorted(HARD)
    yield from (WIDENED, BY_HAND)
