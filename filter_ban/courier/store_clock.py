# SPDX-License-Identifier: ISC
"""The clock of a store."""

import time
from typing import Final

from filter_ban.courier.clock import offset, steady
from filter_ban.courier.health import Health
from filter_ban.courier.line import Line

_PROMPT_S: Final = 0.5  # what takes longer says less than what was measured before


async def measure(line: Line, health: Health) -> float:
    """
    Return what a store's clock says, and have *health* know how far it is ahead of ours.

    Raises:
        StoreError: it does not say.

    """
    before_s = time.time()
    seconds, microseconds = await line.ask("TIME")
    after_s = time.time()
    store_s = int(seconds) + int(microseconds) / 1e6
    if after_s - before_s < _PROMPT_S or not health.has_measured:
        health.offset_s = offset(before_s, store_s, after_s)
        health.has_measured = True
        health.told_offset_s = steady(health.offset_s, health.told_offset_s)
    return store_s
