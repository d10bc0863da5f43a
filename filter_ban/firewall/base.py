# SPDX-License-Identifier: ISC
"""
What a packet filter is to the rest: pure builders of commands and parsers of what they print.

A backend holds settings, never state; it runs nothing and knows no clock. Everything it builds is idempotent: adding
what is there, and removing what is not, are no errors. It touches its own table and nothing else.
"""

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

import attrs

from filter_ban.client import ClientKey, is_ipv4
from filter_ban.text import excerpt

Entry: TypeAlias = tuple[
    ClientKey, int | None
]  # client and seconds that the entry lives; None: until it is removed
Net: TypeAlias = tuple[
    int, int
]  # address bits (32 or 128) and prefix length: entries of one net share a mask

QUICK_S: Final = 10.0
BULK_S: Final = 60.0  # for 100,000 entries and more; 1 s is usual
_ERROR_CHARS: Final = 300


@attrs.frozen
class Command:
    """
    One run of a tool: arguments, what it reads, and how long it may take.

    ``heed`` gets what it printed, and raises FirewallError where that says that it failed. ``may_fail``: its exit
    status says nothing, only ``heed`` does. ``optional``: where the tool is not installed it prints nothing.
    """

    argv: tuple[str, ...]
    stdin: bytes = b""
    timeout_s: float = QUICK_S
    heed: Callable[[bytes], None] | None = None
    may_fail: bool = False
    optional: bool = False


@attrs.frozen(kw_only=True)
class Options:
    """
    What the configuration says about a backend; each takes what it knows of.

    ``table`` names table or sets, ``anchor`` is pf's. ``ports`` are the TCP ports that are closed to banned clients
    (empty: everything is). ``max_entries`` is what table or sets must hold. ``hook`` is where nftables looks at packets: ``prerouting`` or ``input``. ``action`` is
    ``drop`` or ``reject``. ``helper`` is a program, ``helper_protocol`` how it is spoken to: ``blocklistd`` or ``lines``.
    """

    ports: tuple[int, ...] = ()
    table: str = "filter-ban"
    anchor: str = ""
    hook: str = "prerouting"
    action: str = "drop"
    max_entries: int = 1_000_000
    helper: str = ""
    helper_protocol: str = "blocklistd"


@attrs.frozen
class Change:
    """
    What to do to the table; no client is in two of the three.

    ``adds`` are thought to be absent, ``updates`` to be present with another time; either may be wrong. ``whole`` are
    all clients that have an entry afterwards, for tools that replace a table faster than they change it.
    """

    adds: Sequence[Entry] = ()
    updates: Sequence[Entry] = ()
    removes: Sequence[ClientKey] = ()
    whole: Collection[ClientKey] | None = None

    def __len__(self) -> int:
        return len(self.adds) + len(self.updates) + len(self.removes)

    def clients(self) -> list[ClientKey]:
        """Return the clients that get an entry."""
        return [key for key, _ in (*self.adds, *self.updates)]

    def halves(self) -> tuple["Change", "Change"]:
        """Return two changes that together are this one."""
        parts = [
            (part[: len(part) // 2], part[len(part) // 2 :])
            for part in (self.adds, self.updates, self.removes)
        ]
        left, right = zip(*parts, strict=True)
        return Change(*left), Change(*right)


@attrs.frozen
class Check:
    """
    What stands in the packet filter, apart from entries.

    ``ready`` are the nets whose entries would act (None: the filter makes no such difference); ``problem`` says what
    the administrator has to mend before any entry acts, or is empty. ``inert`` says why entries of so many address bits
    do not act; where it is empty, a problem holds for all.
    """

    exists: bool
    ready: frozenset[Net] | None = None
    problem: str = ""
    inert: Mapping[int, str] = attrs.Factory(dict)


class Fault(enum.Enum):
    """Why a command failed, as far as its tool tells."""

    MISSING_TOOL = "missing-tool"
    HUNG = "hung"
    DENIED = "denied"
    GONE = "gone"  # the table, or a part of it that should be there
    FULL = "full"
    OTHER = "other"


class FirewallError(Exception):
    """
    A command could not do its work.

    Its text is bounded, printable and names the tool. ``status`` is None where the tool did not end by itself.
    """

    def __init__(self, argv: Sequence[str], status: int | None, why: str, fault: Fault | None = None) -> None:
        self.argv = tuple(argv)
        self.status = status
        self.fault = fault or fault_of(why)
        ended = "" if status is None else f" (status {status})"
        super().__init__(f"{argv[0]}{ended}: {excerpt(why.strip() or 'no message', _ERROR_CHARS)}")


_FAULTS: Final = {
    "Operation not permitted": Fault.DENIED,
    "Permission denied": Fault.DENIED,
    "No such file or directory": Fault.GONE,  # nft
    "Table does not exist": Fault.GONE,  # pfctl
    "The set with the given name does not exist": Fault.GONE,  # ipset
    "invalid address, mask or table ID": Fault.GONE,  # npfctl
    "not found in the active configuration": Fault.GONE,  # npfctl
    "failed to request table info: No such process": Fault.GONE,  # ipfw
    "table not found": Fault.GONE,  # ipfw
    "table is locked": Fault.DENIED,  # ipfw
    "Cannot allocate memory": Fault.FULL,  # pfctl past `set limit table-entries`
    "limit hit": Fault.FULL,  # ipfw
    "Hash is full, cannot add more elements": Fault.FULL,  # ipset past maxelem
    "routing table overflow": Fault.FULL,  # route of OpenBSD
    "not enough memory": Fault.FULL,  # route of FreeBSD
    "No space left on device": Fault.FULL,
    "No buffer space available": Fault.FULL,
}


def fault_of(stderr: str) -> Fault:
    """Return what the message of a tool means; all of them print the C library's texts."""
    return next((fault for text, fault in _FAULTS.items() if text in stderr), Fault.OTHER)


def net_of(key: ClientKey) -> Net:
    """Return the net that an entry for *key* belongs to."""
    return (32 if is_ipv4(key) else 128), key[-1]


class Backend(Protocol):
    """A packet filter. All commands of a sequence are run in order, up to the first that fails."""

    @property
    def name(self) -> str:
        """Name in the configuration."""

    @property
    def lists(self) -> bool:
        """Whether its entries can be listed; else what was put there is taken to stay, and nothing is ever compared."""

    @property
    def counts(self) -> bool:
        """Whether its list tells the packets that each entry has dropped."""

    def setup_commands(self, nets: Collection[Net]) -> Sequence[Command]:
        """Create, or mend, what entries of *nets* need; entries that are there stay."""

    def change_commands(self, change: Change) -> Sequence[Command]:
        """Carry out *change* in what is set up already; where it is not, fail with ``Fault.GONE``."""

    def check_commands(self) -> Sequence[Command]:
        """Ask what is set up; quick, whatever the number of entries."""

    def parse_check(self, outputs: Sequence[bytes]) -> Check:
        """Return what the check commands printed."""

    def list_commands(self) -> Sequence[Command]:
        """Ask for all entries of a table that exists."""

    def parse_list(self, outputs: Sequence[bytes]) -> Mapping[ClientKey, int]:
        """
        Return the clients that the list commands printed, and how many packets of each were dropped (0: not counted).

        Raises:
            ValueError: this is no listing.

        """
