# SPDX-License-Identifier: ISC
"""What a replay found, as one JSON document; the command line makes text of the same."""

import math
from collections.abc import Iterable
from typing import Any

from filter_ban.client import key_text
from filter_ban.ledger.mask import mask
from filter_ban.model import Ban
from filter_ban.replay.run import Case, Innocent, Replay
from filter_ban.replay.traffic import Traffic

Document = dict[str, Any]


def document(traffic: Traffic, replays: Iterable[tuple[str, Replay]]) -> Document:
    """
    Return everything that was found.

    Args:
        traffic: What was read.
        replays: Name of the configuration's file, and its replay.

    """
    return {
        "lines": traffic.lines,
        "unknown_lines": traffic.unknown,
        "failures_without_address": traffic.lost,
        "troubles": traffic.troubles,
        "results": [result(name, replay) for name, replay in replays],
    }


def result(name: str, replay: Replay) -> Document:
    """Return what was found under one configuration."""
    innocents = replay.innocents.values()
    lost_s = sum(innocent.lost_s for innocent in innocents)
    return {
        "configuration": name,
        "mode": replay.engine.policy.mode.value,
        "signals": {kind.value: count for kind, count in sorted(replay.counts.items())},
        "from_exempt": replay.exempt,
        "summary": {
            "guesses": replay.guesses,
            "stopped_by_firewall": replay.stopped(firewall=True),
            "stopped_in_dialogue": replay.stopped(firewall=False),
            "bans": len(replay.cases),
            "banned_clients": len({case.ban.client for case in replay.cases}),
            "innocents": len(innocents),
            "innocents_refused": sum(innocent.refused > 0 for innocent in innocents),
            "innocent_seconds_lost": _seconds(lost_s),
        },
        "bans": [_ban(replay, case) for case in replay.cases],
        "innocents": [_innocent(innocent) for innocent in innocents],
    }


def _ban(replay: Replay, case: Case) -> Document:
    ban: Ban = case.ban
    return {
        "client": key_text(ban.client),
        "start": ban.start_s,
        "end": ban.end_s,
        "rule": ban.rule,
        "reason": ban.reason,
        "strikes": ban.strikes,
        "offence": ban.offence,
        "reference": ban.reference,
        "firewall": replay.in_firewall(ban),
        "stopped": case.stopped,
    }


def _innocent(innocent: Innocent) -> Document:
    return {
        "client": key_text(innocent.client),
        "user": mask(innocent.user),
        "login": innocent.login_s,
        "logins_before": innocent.before,
        "logins_refused": innocent.refused,
        "logins_later": innocent.later,
        "seconds_lost": _seconds(innocent.lost_s),
    }


def _seconds(seconds: float) -> float | None:
    """Return what JSON can hold: None is for ever."""
    return None if math.isinf(seconds) else seconds
