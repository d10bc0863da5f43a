# SPDX-License-Identifier: ISC
"""Routes: no file of the system needs a change; what routes cannot do is told."""

import sys
from collections.abc import Iterator
from typing import Final

from filter_ban.config import Config
from filter_ban.setup.plan import Ask, Place, Plan

_TOOL: Final = ("ip", "-V") if sys.platform == "linux" else ("route", "-n", "get", "127.0.0.1")


def place(ask: Ask) -> Place:  # noqa: ARG001 - nothing needs to be asked
    """Return a place without files."""
    return Place((), _accept, "")


def plan(config: Config, ask: Ask) -> Plan:  # noqa: ARG001 - nothing of it matters
    """
    Return a plan without changes.

    Raises:
        MissingProgramError: the tool is not here.
        ProgramError: it does not work.

    """
    ask(_TOOL)
    return Plan(place(ask), (), (*_notes(),), _accept)


def by_hand(config: Config) -> str:  # noqa: ARG001 - as above
    """Return nothing: the system's files stay as they are."""
    return ""


def _notes() -> Iterator[str]:
    yield (
        "a route stops our answers, not the client's packets: no connection comes about, open ones stall until they "
        "time out, and all ports are closed to it, SSH too"
    )
    if sys.platform == "linux":
        yield "with net.ipv4.conf.all.rp_filter = 1 or 2 the kernel drops a banned IPv4 client's packets as well"


def _accept() -> None:
    """Take everything."""
