# SPDX-License-Identifier: ISC
"""How the ledger fares, for ``status``."""

import attrs


@attrs.frozen(kw_only=True)
class LedgerHealth:
    """What waits to be written, and why, where it cannot be."""

    ok: bool
    problem: str = ""  # empty when ok
    since_s: float = 0.0  # when the ledger came into this state
    pending_bans: int = 0  # and lifts
    pending_strikes: int = 0
    pending_logins: int = 0
    pending_tallies: int = 0
    dropped_bans: int = 0
    dropped_strikes: int = 0
    dropped_logins: int = 0
    dropped_tallies: int = 0
