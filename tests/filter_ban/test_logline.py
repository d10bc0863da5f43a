# SPDX-License-Identifier: ISC
"""The log of a process, as whoever reads its stderr gets it."""

import os
import subprocess
import sys

import pytest

LOG = """
import logging, sys
from filter_ban.logline import fact, set_up
set_up()
log = logging.getLogger("test")
for number in range({lines}):
    log.info(fact("line", number=number, padding="x" * {width}))
print("done", flush=True)
sys.stdin.readline()
log.info(fact("after"))
"""
WAIT_S = 20


@pytest.mark.parametrize("width", [100, 200])
def test_a_log_that_nobody_reads_stops_nothing(width: int) -> None:
    """Lines are lost and counted, in their place; what is read is whole lines, but for the last before the loss."""
    argv = [sys.executable, "-c", LOG.format(lines=20_000, width=width)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"done\n"  # though nobody has read the other pipe
        read = b""
        while read.count(b"\n") < 10:
            read += os.read(process.stderr.fileno(), 1 << 16)
        output, rest = process.communicate(b"\n", timeout=WAIT_S)

    lines = (read + rest).decode().splitlines()
    kept = [line for line in lines if "padding" in line]
    assert (output, process.returncode) == (b"", 0)
    assert lines[-2:] == [
        f'filter-ban: log-lines-lost lines={20_000 - len(kept)} why="nobody reads the log"',
        "filter-ban: after",
    ]
    assert [line.split()[2] for line in kept] == [f"number={number}" for number in range(len(kept))]


def test_a_log_that_is_gone_stops_nothing() -> None:
    """Where nobody can read stderr any more the program goes on."""
    argv = [sys.executable, "-c", LOG.format(lines=10, width=100)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        process.stderr.close()
        process.stderr = None
        output, _ = process.communicate(b"\n", timeout=WAIT_S)

    assert (output, process.returncode) == (b"done\n", 0)


def test_a_long_line_is_whole() -> None:
    """A traceback of many kilobytes is one line."""
    script = "import logging\nfrom filter_ban.logline import set_up\nset_up()\nlogging.getLogger('x').info('y' * 50_000)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=WAIT_S, check=True)

    assert done.stderr == b"filter-ban: " + b"y" * 50_000 + b"\n"
