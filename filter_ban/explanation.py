# SPDX-License-Identifier: ISC
"""
Why a strike weighs what it does, and why a ban is not in the firewall: what can be told from ledger and policy.

The ledger keeps weights and not their causes, so a weight is told by the rule that gives it today.
"""

from collections.abc import Sequence
from typing import Final

from filter_ban.config.values import parse_limit
from filter_ban.engine.ban_book import WIDENED
from filter_ban.engine.history import HUNDREDTHS, MAX_HUNDREDTHS
from filter_ban.engine.policy import HARD, Policy
from filter_ban.model import Ban, Kind, Mode, Strike

BY_HAND: Final = "by hand"
_FAILURES: Final = (Kind.AUTH_FAIL, Kind.UNKNOWN_USER)
_WEIGHTLESS: Final = {
    Kind.NO_TLS: "alone no guess",
    Kind.BAD_HELO: "somebody logs in from there",
}


def why_weight(strike: Strike, policy: Policy) -> str:
    """Return why *strike* weighs what it does; empty where its kind alone says so."""
    if strike.kind in HARD:
        return "bans at once"
    if not strike.weight:
        return _WEIGHTLESS.get(strike.kind, "no guess")
    exemption = policy.exemption(strike.client, strike.service)
    factor = 1.0 if exemption is None else exemption.factor
    usual = policy.weights.get(strike.kind, 0)
    causes = {"": usual}
    if strike.kind in _FAILURES:
        causes["logs in from there"] = round(usual * policy.guard.familiar)
        causes["was banned before"] = round(usual * policy.relapse)
    weight = round(strike.weight * HUNDREDTHS)
    cause = next(
        (cause for cause, base in causes.items() if min(round(base * factor), MAX_HUNDREDTHS) == weight), None
    )
    if cause is None:
        return "by other rules than today's"
    override = "" if factor == 1 else f"x{factor:g} by an override"
    return ", ".join(filter(None, (cause, override)))


def raised(ban: Ban, strikes: Sequence[Strike], policy: Policy) -> float:
    """
    Return how many strikes of *ban* came of a siege: the ledger has those failures with the weight that they had at first.

    Args:
        ban: Of one client.
        strikes: What the ledger has of that client, newest first.
        policy: What holds.

    Returns: 0 too where the failures that are left do not explain the difference.

    """
    try:
        window_s = parse_limit(ban.rule).window_s
    except ValueError:
        return 0.0
    counted = [strike for strike in strikes if strike.time_s < ban.start_s + 1]
    counted = [strike for strike in counted if strike.time_s > counted[0].time_s - window_s]
    missing = ban.strikes - sum(strike.weight for strike in counted)
    raises = [policy.siege.unresolved - strike.weight for strike in counted if strike.kind is Kind.AUTH_FAIL]
    raises = [gain for gain in raises if gain > 0]
    slack = 0.5 / HUNDREDTHS
    return missing if raises and min(raises) - slack <= missing <= sum(raises) + slack else 0.0


def why_in_band(ban: Ban, policy: Policy, *, has_firewall: bool, known: bool) -> str:
    """
    Return why *ban* is not meant for the firewall; empty where it is.

    Args:
        ban: The ban.
        policy: What holds.
        has_firewall: Whether one is configured.
        known: Whether somebody logs in from there.

    """
    if policy.mode is not Mode.ENFORCE:
        return f"the mode is {policy.mode.value}"
    if not ban.firewall:
        return _why_spared(ban, known=known)
    return "" if has_firewall else "no firewall is configured"


def _why_spared(ban: Ban, *, known: bool) -> str:
    person, program = "somebody logs in from there", "it may be one program with an old password"
    if ban.rule == WIDENED:
        return "a network has innocents too"
    if ban.rule == BY_HAND:
        return "wider than never.widest"
    if ban.offence > 1:
        return program
    return f"its first ban, and {person}" if known else f"{person}, or {program}"
