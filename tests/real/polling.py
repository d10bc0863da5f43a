# SPDX-License-Identifier: ISC
"""Waiting for a fact, with a bound."""

import time
from collections.abc import Callable
from typing import Final

STEP_S: Final = 0.01


def wait_until(fact: Callable[[], object], what: str, timeout_s: float = 10.0) -> None:
    """
    Return as soon as *fact* returns something true.

    Raises:
        TimeoutError: it did not within *timeout_s*; the text names *what* was awaited.

    """
    end_s = time.monotonic() + timeout_s
    while not fact():
        if time.monotonic() > end_s:
            raise TimeoutError(f"not within {timeout_s} s: {what}")
        time.sleep(STEP_S)
