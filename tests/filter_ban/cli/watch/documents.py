# SPDX-License-Identifier: ISC
"""What a daemon tells the live view."""

from typing import Any, Final

from filter_ban import __version__
from filter_ban.cli.watch.errands import Answer, look
from filter_ban.cli.watch.screen import Screen

NOW_S: Final = 1_800_000_000

Document = dict[str, Any]


def suspect(client: str, **more: object) -> Document:
    """Return a client close to a ban."""
    return {
        "client": client, "strikes": 4.0, "limit": 5.0, "window": "5 in 10m", "kind": "auth-fail", "service": "smtps",
        "time": NOW_S - 12.0, **more,
    }  # fmt: skip


def ban(client: str, **more: object) -> Document:
    """Return a ban."""
    return {
        "client": client, "start": NOW_S - 60, "end": NOW_S + 840, "rule": "5 in 10m", "reason": "5 strikes within 10m",
        "offence": 1, "strikes": 5.0, "reference": "7KQ2M4XD", "firewall": True, "enforcement": "in-force",
        "problem": "", "dropped": 1234, **more,
    }  # fmt: skip


def backend(**more: object) -> Document:
    """Return how the table of a backend is."""
    return {
        "backend": "nftables", "in_force": 1204, "pending": 0, "failed": 0, "reasons": {}, "last_sync": NOW_S - 20,
        "ok": True, "problem": "", "rule_present": True, "missing": 0, "foreign": 0, "changed_by_others": 0,
        "dropped": 56_789, **more,
    }  # fmt: skip


def watched(**more: object) -> Document:
    """Return the answer of a daemon that is well."""
    return {
        "version": __version__, "started": NOW_S - 273_600, "now": NOW_S, "mode": "enforce", "clients": 4321, "bans": 3,
        "restoring": False, "refused": 7, "besieged": 0, "recording": None, "relays": 1,
        "listeners": [{"service": name, "endpoint": name, "problem": ""} for name in ("control.sock", "postfix")],
        "events": {"auth-fail": 12},
        "ledger": {"path": "ledger.sqlite3", "ok": True, "problem": "", "pending_bans": 0},
        "firewall": {"backends": [backend()], "alarms": {"count": 0, "last": None, "client": None}},
        "minutes": {"failures": [0, 4, 8], "refused": [0, 0, 2], "bans": [0, 0, 1], "lifts": [0, 0, 0]},
        "suspects": [suspect("203.0.113.5"), suspect("203.0.113.6", strikes=1.0)],
        "newest": [ban("192.0.2.1"), ban("192.0.2.2", enforcement="pending", dropped=0), ban("2001:db8::/64", end=None)],
        **more,
    }  # fmt: skip


def shown(**more: object) -> Screen:
    """Return a screen that has heard this."""
    screen = Screen("mail.example.org")
    screen.heed(Answer(look(), watched(**more)))
    return screen
