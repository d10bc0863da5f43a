# SPDX-License-Identifier: ISC
# ruff: noqa: INP001 - no package: Python imports it by its name
"""
A clock that stands still: ``time.time`` is the time at which the file ``$MANUAL_CLOCK`` was changed last.

Python imports this where its folder is in PYTHONPATH. So what programs print is the same in each run.
"""

import os
import time
from pathlib import Path

_CLOCK = Path(os.environ["MANUAL_CLOCK"])


def _time() -> float:
    return _CLOCK.stat().st_mtime_ns / 1e9


time.time = _time
