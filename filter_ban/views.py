# SPDX-License-Identifier: ISC
"""
Bans and strikes as the JSON documents that read commands print.

Daemon and command line share these, so that an answer looks the same whether it comes from the running daemon or from
the ledger alone. Times are Unix seconds, UTC.
"""

from typing import Any, Final

from filter_ban.client import ClientKey, is_host, is_ipv4, key_text, widen
from filter_ban.ledger import LedgerReader, Record
from filter_ban.model import Ban, Enforcement, Strike

Document = dict[str, Any]
SHOWN_STRIKES: Final = 50


def ban_document(ban: Ban, enforcement: Enforcement | None = None, problem: str = "") -> Document:
    """Return *ban*; *enforcement* None means that no daemon runs that could know."""
    return {
        "client": key_text(ban.client),
        "start": ban.start_s,
        "end": ban.end_s,
        "rule": ban.rule,
        "reason": ban.reason,
        "offence": ban.offence,
        "strikes": ban.strikes,
        "reference": ban.reference,
        "firewall": ban.firewall,
        "enforcement": "unknown" if enforcement is None else enforcement.value,
        "problem": problem,
    }


def record_document(record: Record) -> Document:
    """Return a ban as the ledger remembers it."""
    return {**ban_document(record.ban), "lifted": record.lifted_s, "lifted_by": record.lifted_by}


def strike_document(strike: Strike) -> Document:
    """Return *strike*; the user's name is masked as the ledger keeps it."""
    return {
        "client": key_text(strike.client),
        "time": strike.time_s,
        "kind": strike.kind.value,
        "weight": strike.weight,
        "user": strike.user,
        "service": strike.service,
    }


def history_document(ledger: LedgerReader, client: ClientKey, counted: ClientKey) -> Document:
    """Return the newest strikes of *client*, which is counted as *counted*, and all bans around it, newest first."""
    strikes = ledger.strikes_of(counted, SHOWN_STRIKES)
    return {
        "events": [strike_document(strike) for strike in strikes],
        "past_bans": [record_document(record) for record in ledger.bans_of(client)],
    }


def counted_as(client: ClientKey, ipv4_prefix: int, ipv6_prefix: int) -> ClientKey:
    """Return the key that a host is counted under; a prefix stays what it is."""
    return widen(client, ipv4_prefix if is_ipv4(client) else ipv6_prefix) if is_host(client) else client
