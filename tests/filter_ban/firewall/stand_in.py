# SPDX-License-Identifier: ISC
"""
Stands before a firewall's tool and gets into trouble when told.

Usage: ``stand_in.py TROUBLE TOOL arguments...``. The file TROUBLE holds a word:

- none: the tool is run as it is, one at a time;
- ``hang``: nothing happens for a minute; the process id is added to a file of that name that ends in .pids;
- ``fail``: an error and status 1;
- ``killed``: the tool gets half of the input, if there is any, then this process is killed;
- ``garbage``: bytes are printed, status 0;
- ``flood``: 300 MB of them.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

HANGS_S: Final = 60.0
FLOOD_BYTES: Final = 300_000_000
_GARBAGE: Final = bytes(range(256)) * 256


class StandIn:
    """
    A tool that can be put into trouble.

    Args:
        tool: The script that is run, and is put behind a stand-in here.

    """

    def __init__(self, tool: Path) -> None:
        self._tool = tool
        self._away = tool.with_name(f"{tool.name}.away")
        self._trouble = tool.with_name(f"{tool.name}.trouble")
        self._trouble.touch()
        real = tool.rename(tool.with_name(f"{tool.name}.real"))
        tool.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -S "{Path(__file__)}" "{self._trouble}" "{real}" "$@"\n'
        )
        tool.chmod(0o755)

    def get_into(self, trouble: str) -> None:
        """Begin with a trouble; ``missing``: there is no such tool any more."""
        if trouble == "missing":
            self._tool.rename(self._away)
        else:
            self._trouble.write_text(trouble)

    def recover(self) -> None:
        """End it, and what hangs because of it."""
        if self._away.exists():
            self._away.rename(self._tool)
        self._trouble.write_text("")
        for pid in self._hung():
            if str(self._trouble).encode() in _arguments(pid):
                os.kill(pid, signal.SIGKILL)

    def hangs(self) -> bool:
        """Return whether a run of the tool hangs."""
        return bool(self._hung())

    def _hung(self) -> list[int]:
        pids = self._trouble.with_suffix(".pids")
        return [int(line) for line in pids.read_text().split()] if pids.exists() else []


def _arguments(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def main(trouble_file: Path, command: list[str]) -> int:
    """Do what the file says."""
    lock = os.open(trouble_file, os.O_RDONLY)
    match trouble_file.read_text():
        case "":
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.set_inheritable(lock, True)
            os.execv(command[0], command)
        case "hang":
            with trouble_file.with_suffix(".pids").open("a") as pids:
                pids.write(f"{os.getpid()}\n")
            time.sleep(HANGS_S)
        case "killed":
            lines = sys.stdin.buffer.read().splitlines(keepends=True)
            if lines:
                subprocess.run(command, input=b"".join(lines[: len(lines) // 2]), check=False)
            os.kill(os.getpid(), signal.SIGKILL)
        case "garbage":
            os.write(1, _GARBAGE)
            return 0
        case "flood":
            for _ in range(FLOOD_BYTES // len(_GARBAGE) + 1):
                sys.stdout.buffer.write(_GARBAGE)
            return 0
        case _:
            print("/dev/pf: Device busy", file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
    except BrokenPipeError:
        sys.exit(1)
