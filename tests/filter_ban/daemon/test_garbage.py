# SPDX-License-Identifier: ISC
"""Garbage collection in the engine's process."""

import subprocess
import sys

SCRIPT = """
import gc
from filter_ban.daemon import garbage
garbage.keep_short()
walked = []
gc.callbacks.append(lambda phase, info: walked.append(sum(gc.get_count())) if phase == "start" else None)
class Thing: pass
things = [Thing() for _ in range(200_000)]
live = [len(gc.get_objects(generation)) for generation in range(3)]
del things[:]
for _ in range(200_000):
    cycle = Thing()
    cycle.itself = cycle
print(len(walked) > 50, sum(live) < 60_000, len([one for one in gc.get_objects() if isinstance(one, Thing)]) < 20_000)
"""


def test_what_lives_on_is_not_walked_again() -> None:
    """Of 200,000 objects that stay only the youngest are looked at again, and young cycles are still collected."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout == "True True True\n"
