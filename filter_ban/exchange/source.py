# SPDX-License-Identifier: ISC
"""Where bans are imported from: a file, standard input, or a table that a firewall holds now."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

import attrs

from filter_ban.exchange.holding import ImportFault
from filter_ban.firewall.base import BULK_S, Command, FirewallError
from filter_ban.text import excerpt

STANDARD_INPUT: Final = "-"
DATABASE: Final = b"SQLite format 3\0"  # how one begins; sqlite.org/fileformat.html
MAX_BYTES: Final = 256 << 20  # a million elements of nft with counters
_PF: Final = re.compile(r"(?:(\w[\w./-]{0,100})/)?([A-Za-z][\w.-]{0,30})", re.ASCII)
_IPSET: Final = re.compile(r"\w[\w.:+-]{0,30}", re.ASCII)  # IPSET_MAXNAMELEN is 32 with a NUL
_NFT: Final = re.compile(
    r"(ip|ip6|inet|bridge|netdev) ([A-Za-z][\w/.-]{0,127}) ([A-Za-z][\w/.-]{0,127})", re.ASCII
)


@attrs.frozen
class Content:
    """
    What a source holds.

    ``origin`` is its name in words, ``made_s`` when it was written (None: now), ``format`` is known where a firewall
    was asked. ``path`` is set in place of ``data`` where the file is a database.
    """

    origin: str
    data: bytes = b""
    path: Path | None = None
    made_s: int | None = None
    format: str = ""


def fetch(source: str, standard_input: IO[bytes], run: Callable[[Command], bytes]) -> Content:
    """
    Return what *source* holds.

    Args:
        source: A file, ``-``, ``pf:TABLE``, ``nft:FAMILY TABLE SET`` or ``ipset:NAME``.
        standard_input: What ``-`` stands for.
        run: Runs a command and returns its output.

    Raises:
        ImportFault: it cannot be read, is too big, or its name is impossible.

    """
    kind, _, name = source.partition(":")
    if kind in _LIVE:
        return _ask(kind, name, run)
    if source == STANDARD_INPUT:
        return Content("standard input", _bounded(standard_input, "standard input"))
    path = Path(source)
    try:
        with path.open("rb") as file:
            head = file.read(len(DATABASE))
            if head == DATABASE:
                return Content("fail2ban", path=path)
            made_s = int(path.stat().st_mtime) if path.is_file() else None  # a pipe is written now
            return Content(path.name, head + _bounded(file, source), made_s=made_s)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ImportFault(f"{excerpt(source)}: cannot be read: {why}") from None


def _bounded(file: IO[bytes], name: str) -> bytes:
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ImportFault(f"{excerpt(name)}: is larger than {MAX_BYTES >> 20} MiB")
    return data


def _pf(name: str) -> tuple[str, tuple[str, ...]]:
    found = _PF.fullmatch(name)
    if found is None:
        raise ImportFault(f"{excerpt(name)}: must be a pf table's name, or ANCHOR/TABLE")
    anchor = ("-a", found[1]) if found[1] else ()
    return "plain", ("pfctl", "-q", *anchor, "-t", found[2], "-T", "show")


def _nft(name: str) -> tuple[str, tuple[str, ...]]:
    found = _NFT.fullmatch(" ".join(name.split()))
    if found is None:
        raise ImportFault(f"{excerpt(name)}: must be FAMILY TABLE SET, such as 'nft:inet filter blocked'")
    return "nft", ("nft", "list", "set", *found.groups())


def _ipset(name: str) -> tuple[str, tuple[str, ...]]:
    if not _IPSET.fullmatch(name):
        raise ImportFault(f"{excerpt(name)}: must be the name of a set of ipset")
    return "ipset", ("ipset", "save", name)


_LIVE: Final = {"pf": _pf, "nft": _nft, "ipset": _ipset}  # format and command


def _ask(kind: str, name: str, run: Callable[[Command], bytes]) -> Content:
    form, argv = _LIVE[kind](name)
    try:
        return Content(f"{kind} {' '.join(name.split())}", run(Command(argv, timeout_s=BULK_S)), format=form)
    except FirewallError as error:
        raise ImportFault(str(error)) from None
