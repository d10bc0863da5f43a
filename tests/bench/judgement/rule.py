# SPDX-License-Identifier: ISC
"""What every compared rule set can do."""

from filter_ban.client import ClientKey
from tests.bench.judgement.login import Answer, Login


class Rule:
    """A rule set that lets everybody in: the base of the others, and the measure of them."""

    name = "none"

    def __init__(self) -> None:
        self.firewall_bans: list[ClientKey] = []

    def judge(self, login: Login) -> Answer | None:
        """Return REFUSED or DROPPED, or None for a login whose password is to be checked."""

    def delay_s(self, login: Login) -> float:
        """Return how long the answer to a failed login is held back."""
        return 0.0

    def learn(self, login: Login) -> None:
        """Take note of a login that was checked (``login.right`` tells how), or of a connection without a handshake."""
