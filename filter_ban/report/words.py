# SPDX-License-Identifier: ISC
"""How a report writes numbers, moments and lengths of time."""

import math
import time
from typing import Final

from filter_ban.config.values import duration_text
from filter_ban.model import Kind
from filter_ban.tally import HOUR_S

KINDS: Final = {
    Kind.AUTH_FAIL: "failed login",
    Kind.UNKNOWN_USER: "unknown user",
    Kind.AUTH_ABORT: "aborted login",
    Kind.NO_TLS: "no TLS on a TLS port",
    Kind.NO_AUTH: "left without a login",
    Kind.RELAY_ATTEMPT: "relay attempt",
    Kind.BAD_HELO: "bad HELO",
    Kind.FOREIGN_DOMAIN: "foreign domain",
    Kind.TRAP_USER: "trap user",
    Kind.DECOY: "decoy",
    Kind.REPORTED: "reported",
}
_DAY_S: Final = 86_400
_MINUTE_S: Final = 60
_MUCH: Final = 10  # times as much as before: a percentage says no more


def number(value: int) -> str:
    """Return ``12,345``."""
    return f"{value:,}"


def share(part: int, whole: int) -> str:
    """Return a percentage: ``12%``, ``<1%``."""
    percent = 100 * part / whole if whole else 0.0
    return "<1%" if 0 < percent < 1 else f"{percent:.0f}%"


def change(now: int, before: int | None) -> str:
    """Return how a number differs from the one before: ``+12%``, ``x14``, ``new``; empty where nothing can be said."""
    if before is None or now == before == 0:
        return ""
    if not before:
        return "new"
    if now >= _MUCH * before:
        return f"x{now / before:.0f}"
    percent = round(100 * (now - before) / before)
    return f"{percent:+d}%" if percent else "same"


def a(step: str) -> str:
    """Return the length of a bin with its article."""
    return {"hour": "an hour", "6 hours": "6 hours"}.get(step, f"a {step}")


def moment(time_s: float) -> str:
    """Return ``Sat 21 Nov 2026 12:00`` in the local time zone."""
    return time.strftime("%a %d %b %Y %H:%M", time.localtime(time_s))


def zone(time_s: float) -> str:
    """Return the name of the local time zone at that time."""
    return time.strftime("%Z", time.localtime(time_s))


def length(seconds: float) -> str:
    """Return a length of time with two units at most: ``3d4h``, ``1h48m``, ``12m``, ``30s``, ``0.4s``."""
    if seconds < 10:  # noqa: PLR2004 - below, tenths matter
        return f"{seconds:.1f}s".replace(".0s", "s")
    step = HOUR_S if seconds >= _DAY_S else _MINUTE_S if seconds >= 5 * _MINUTE_S else 1
    return duration_text(round(seconds / step) * step)


def ban_length(seconds: float) -> str:
    """Return the length of a ban, which may be infinite."""
    return "until lifted" if seconds == math.inf else length(seconds)
