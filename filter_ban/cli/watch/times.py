# SPDX-License-Identifier: ISC
"""Lengths of time for the view, from what a daemon says; what is no time is shown as it is."""

from typing import Any

from filter_ban.cli.wording import is_number, shown, span


def passed(time_s: Any, now_s: float) -> str:
    """Return how long ago *time_s* was."""
    return span(max(0.0, now_s - time_s)) if is_number(time_s) else shown(time_s)


def rest(end_s: Any, now_s: float) -> str:
    """Return how far away the end of a ban is; None is until lifted."""
    if end_s is None:
        return "for ever"
    return span(max(0.0, end_s - now_s)) if is_number(end_s) else shown(end_s)
