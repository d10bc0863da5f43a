# SPDX-License-Identifier: ISC
"""The operator's command line: one module a command, loaded when it is called."""

import io
import sys


def main() -> None:
    """Run the command that the process was started with; exit with its status."""
    from filter_ban.cli.group import filter_ban  # noqa: PLC0415 - importing this package must cost nothing

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # whatever the terminal's character set
    filter_ban(prog_name="filter-ban")
