# SPDX-License-Identifier: ISC
"""A stand-in for a filter: says the same to every request of a phase, and logs every line it gets."""

from collections.abc import Mapping
from typing import Final

from tests.real.machine import Machine

PATH: Final = "/usr/local/libexec/standin"
COMMAND: Final = f"/usr/bin/python3 {PATH}"

_PROGRAM: Final = """\
import sys

ANSWERS = {answers!r}


def say(line):
    sys.stdout.buffer.write(line + b"\\n")
    sys.stdout.buffer.flush()


for line in sys.stdin.buffer:
    sys.stderr.buffer.write(line)
    sys.stderr.buffer.flush()
    if line == b"config|ready\\n":
        say(b"register|report|smtp-in|*")
        for phase in ANSWERS:
            say(b"register|filter|smtp-in|" + phase.encode())
        say(b"register|ready")
    elif line.startswith(b"filter|"):
        fields = line.split(b"|")
        say(b"filter-result|%s|%s|%s" % (fields[5], fields[6], ANSWERS[fields[4].decode()].encode()))
"""


def write_standin(machine: Machine, answers: Mapping[str, str]) -> str:
    """Write the stand-in that gives *answers* by phase; return its command for smtpd.conf."""
    machine.write(PATH, _PROGRAM.format(answers=dict(answers)))
    return COMMAND
