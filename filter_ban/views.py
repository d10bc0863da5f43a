# SPDX-License-Identifier: ISC
"""
Bans and strikes as the JSON documents that read commands print.

Daemon and command line share these, so that an answer looks the same whether it comes from the running daemon or from
the ledger alone. Times are Unix seconds, UTC.
"""

from itertools import islice
from typing import Any, Final

from filter_ban.client import ClientKey, is_ipv4, key_text, prefix_of, widen
from filter_ban.engine.policy import Policy
from filter_ban.explanation import raised, why_weight
from filter_ban.ledger import LedgerReader, Record
from filter_ban.model import HERE, Allowance, Ban, Enforcement, Strike

Document = dict[str, Any]
SHOWN_STRIKES: Final = 50
SEARCHED_STRIKES: Final = 20_000  # the newest of all clients, for those of a network; a tenth of a second
_AROUND_REFERENCES: Final = " \t\r\n.,;:()<>\"'"  # what is copied along with one


def ban_document(
    ban: Ban, enforcement: Enforcement | None = None, problem: str = "", dropped: int | None = None
) -> Document:
    """
    Return *ban*; ``node`` is the peer that decided it, empty: this one; ``here``: it does not hold on others.

    Args:
        ban: The ban.
        enforcement: State of its entry in the firewall; None: no daemon runs that could know.
        problem: Why it failed.
        dropped: Packets that the entry has dropped; None: nobody counts.

    """
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
        "node": "" if ban.node == HERE else ban.node,
        "here": ban.node == HERE,
        "enforcement": "unknown" if enforcement is None else enforcement.value,
        "problem": problem,
        "dropped": dropped,
    }


def allowance_document(allowance: Allowance) -> Document:
    """Return who is let in, since and until when (None: until taken out), why, and whether on this node alone."""
    return {
        "client": key_text(allowance.client),
        "since": allowance.since_s,
        "until": allowance.until_s,
        "reason": allowance.reason,
        "here": allowance.here,
    }


def record_document(record: Record) -> Document:
    """Return a ban as the ledger remembers it."""
    return {**ban_document(record.ban), "lifted": record.lifted_s, "lifted_by": record.lifted_by}


def strike_document(strike: Strike, policy: Policy) -> Document:
    """Return *strike* and why it weighs what it does; the user's name is masked as the ledger keeps it."""
    return {
        "client": key_text(strike.client),
        "time": strike.time_s,
        "kind": strike.kind.value,
        "weight": strike.weight,
        "user": strike.user,
        "service": strike.service,
        "node": strike.node,
        "why": why_weight(strike, policy),
    }


def history_document(
    ledger: LedgerReader, policy: Policy, *, client: ClientKey, counted: ClientKey, ban: Ban | None
) -> Document:
    """
    Return the newest strikes, and all bans around a client, newest first.

    Args:
        ledger: What remembers them.
        policy: What holds.
        client: Who it is about.
        counted: What it is counted as; strikes of a network are those of its members.
        ban: The ban that it is under.

    """
    strikes = _strikes(ledger, policy, counted)
    return {
        "events": [strike_document(strike, policy) for strike in strikes],
        "past_bans": [record_document(record) for record in ledger.bans_of(client)],
        "raised": raised(ban, strikes, policy) if ban is not None and ban.client == counted else 0,
    }


def _strikes(ledger: LedgerReader, policy: Policy, counted: ClientKey) -> list[Strike]:
    if prefix_of(counted) >= (policy.ipv4_prefix if is_ipv4(counted) else policy.ipv6_prefix):
        return ledger.strikes_of(counted, SHOWN_STRIKES)
    newest = islice(ledger.strikes_since(0), SEARCHED_STRIKES)
    return list(islice((strike for strike in newest if is_within(strike.client, counted)), SHOWN_STRIKES))


def logins_document(ledger: LedgerReader, policy: Policy, counted: ClientKey, now_s: float) -> Document:
    """Return how many users have logged in from *counted* within the memory for that, and when the last one did."""
    remembered = ledger.logins_since(now_s - policy.guard.remember)
    logins = [login for login in remembered if is_within(login.client, counted)]
    return {
        "users": len({login.user_tag for login in logins}),
        "last": max((login.time_s for login in logins), default=None),
    }


def limit_texts(policy: Policy, client: ClientKey) -> list[str]:
    """Return the limits that hold for *client*, as the admin wrote them; an override for some services is left out."""
    exemption = policy.exemption(client, "")
    return [limit.text for limit in (policy.limits if exemption is None else exemption.limits)]


def is_within(client: ClientKey, network: ClientKey) -> bool:
    """Return whether *client* is *network* or a part of it."""
    return widen(client, prefix_of(network)) == network


def reference_in(text: str) -> str:
    """Return the reference of a ban as the ledger has it, from what somebody copied out of a message."""
    return text.strip(_AROUND_REFERENCES).upper()


def counted_as(client: ClientKey, ipv4_prefix: int, ipv6_prefix: int) -> ClientKey:
    """Return the key that a host, or a network narrower than a client, is counted under; a wider one stays what it is."""
    return widen(client, ipv4_prefix if is_ipv4(client) else ipv6_prefix)
