# SPDX-License-Identifier: ISC
"""What others in the engine process may want to know of: hooks, figures and tallies."""

from filter_ban.model import Ban, Strike


class Observer:
    """Told what was decided, after it was; must not wait, and raises nothing."""

    def struck(self, strikes: list[Strike]) -> None:
        """Take note of strikes; those of weight 0 are among them."""

    def banned(self, bans: list[Ban]) -> None:
        """Take note of bans that begin, or are extended."""

    def ended(self, bans: list[Ban], by: str) -> None:
        """Take note of bans that are over: *by* is ``time``, or who lifted them."""
