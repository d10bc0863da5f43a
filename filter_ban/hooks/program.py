# SPDX-License-Identifier: ISC
"""A hook that is a program: the document on its standard input, bounds on time and output."""

import json
from typing import Any, Final

from filter_ban.firewall.base import Command, Fault, FirewallError
from filter_ban.firewall.runner import Runner

MAX_OUTPUT_BYTES: Final = 1 << 20
_RUNNER: Final = Runner(max_output_bytes=MAX_OUTPUT_BYTES)


def run(hook: tuple[str, ...], document: dict[str, Any], timeout_s: float) -> str:
    """
    Run the program and return what went wrong, empty if nothing did.

    It has no shell, ``/`` as its folder, and LC_ALL and PATH for its environment. What it prints is read and thrown away;
    beyond MAX_OUTPUT_BYTES, or after *timeout_s*, it is ended with all that it has started.
    """
    try:
        _RUNNER(Command(hook, json.dumps(document).encode() + b"\n", timeout_s))
    except FirewallError as error:
        if error.fault is Fault.MISSING_TOOL:
            return "no such program, or it may not be run"
        return str(error).removeprefix(hook[0]).lstrip(": ")
    return ""
