# SPDX-License-Identifier: ISC
"""Ask the mail servers' own programs: no shell, a fixed search path, bounds on time and output."""

from collections.abc import Sequence
from typing import Final

from filter_ban.firewall.base import Command, Fault, FirewallError
from filter_ban.firewall.runner import Runner

TIMEOUT_S: Final = 10.0
RUNNER: Final = Runner(max_output_bytes=1 << 20)  # doveconf -a prints 60 kB


class ProgramError(Exception):
    """A program is missing or could not do its work; the text is bounded, printable and names the program."""


class MissingProgramError(ProgramError):
    """A program is not installed where programs are."""


def output(argv: Sequence[str], *, runner: Runner = RUNNER) -> str:
    """
    Return what a program prints.

    Args:
        argv: The program's name and its arguments.
        runner: Runs it; tests pass one of their own.

    Raises:
        MissingProgramError: it is not installed.
        ProgramError: it took too long, printed too much or ended with a status other than 0.

    """
    try:
        printed = runner(Command(tuple(argv), timeout_s=TIMEOUT_S))
    except FirewallError as error:
        kind = MissingProgramError if error.fault is Fault.MISSING_TOOL else ProgramError
        raise kind(str(error)) from None
    return printed.decode(errors="backslashreplace")
