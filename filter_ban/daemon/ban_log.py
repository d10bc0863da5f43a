# SPDX-License-Identifier: ISC
"""Bans in the log: a line for each, or of very many just one."""

import logging
from collections.abc import Callable
from typing import Final

from filter_ban.client import key_text
from filter_ban.logline import fact
from filter_ban.model import Ban

_log = logging.getLogger(__name__)
LINES_AT_ONCE: Final = 50


def log_bans(event: str, bans: list[Ban], values: Callable[[Ban], dict[str, object]]) -> None:
    """Log a line with *values* for each ban, or one for all if there are more than LINES_AT_ONCE."""
    if len(bans) > LINES_AT_ONCE:
        first, last = key_text(bans[0].client), key_text(bans[-1].client)
        _log.info(fact(event, clients=len(bans), first=first, last=last))
        return
    for ban in bans:
        _log.info(fact(event, client=key_text(ban.client), **values(ban)))


def particulars(ban: Ban) -> dict[str, object]:
    """Return what is logged of a ban that begins."""
    return {
        "until": ban.end_s or "lifted",
        "rule": ban.rule,
        "strikes": round(ban.strikes, 2),
        "offence": ban.offence,
        "reference": ban.reference,
        "node": ban.node or None,
    }
