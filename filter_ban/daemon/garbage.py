# SPDX-License-Identifier: ISC
"""
Garbage collection that holds up no answer.

Python's default walks through everything now and then: 100 ms for 100,000 bans. Here a collection sees a few thousand
young objects, and what has survived two is frozen: never walked again, and still freed as soon as nobody refers to it.
Only a cycle that dies after that is lost, and nothing here makes many of those.
"""

import gc
from typing import Any, Final

_THRESHOLDS: Final = (1_000, 5, 5)  # one collection walks through some 6,000 objects, in a millisecond


def keep_short() -> None:
    """Set this process's collection up; once."""
    gc.set_threshold(*_THRESHOLDS)
    gc.callbacks.append(_freeze_survivors)


def _freeze_survivors(phase: str, info: dict[str, Any]) -> None:
    if phase == "stop" and info["generation"] > 0:
        gc.freeze()
