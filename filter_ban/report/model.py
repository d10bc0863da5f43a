# SPDX-License-Identifier: ISC
"""The nouns of a report. No behaviour; times are Unix seconds, lengths seconds."""

import attrs


@attrs.frozen
class Total:
    """How many there were, and in the period before; None where that was not recorded."""

    now: int
    before: int | None


@attrs.frozen
class Bin:
    """What happened from ``start_s`` to the next bin."""

    start_s: int
    failures: int
    refused: int
    bans: int
    dropped: int
    lifted: int


@attrs.frozen
class Row:
    """One of a ranking; ``about`` is what else is known of it."""

    name: str
    number: int
    about: str = ""


@attrs.frozen
class Ranking:
    """The most frequent, the most frequent first, and all others together."""

    rows: list[Row]
    others: int
    total: int


@attrs.frozen
class TimeToBan:
    """From the first strike that counted to the ban; of the ``known`` bans whose strikes are left in the ledger."""

    rows: list[Row]
    known: int
    median_s: float | None


@attrs.frozen(kw_only=True)
class Report:
    """What a period held."""

    host: str
    made_s: float
    start_s: int
    end_s: float
    recorded_since_s: int | None  # the first hour that is in the ledger
    step: str  # the length of a bin
    failures: Total
    uncounted: Total  # seen, and no strike: repeats of one password, networks that are never counted
    logins: Total
    refused: Total
    dropped: Total
    bans: Total
    banned_by_hand: Total
    lifted: Total  # by the operator, also by way of the never-list: false alarms
    bins: list[Bin]
    hours: list[int]  # failures by the hour of the day
    busiest: list[Bin]
    kinds: Ranking
    services: Ranking
    networks: Ranking
    countries: Ranking | None  # None: there is no database
    systems: Ranking | None
    users: Ranking
    rules: Ranking
    backends: Ranking
    lengths: Ranking  # of the bans whose records are left in the ledger, the shortest first
    time_to_ban: TimeToBan
    notes: list[str]  # what should be looked at

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened, but for logins."""
        totals = (self.failures, self.uncounted, self.refused, self.dropped, self.bans, self.lifted)
        return not any(total.now for total in totals)
