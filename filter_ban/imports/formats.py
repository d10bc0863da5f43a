# SPDX-License-Identifier: ISC
"""The formats that are understood, and how to tell them apart by looking."""

import re
from typing import Final

from filter_ban.imports import ipset, nft, plain
from filter_ban.imports.holding import Holding, ImportFault
from filter_ban.imports.source import Content

BLOCKLISTD: Final = "blocklistd"
FORMATS: Final = ("plain", "nft", "ipset", "fail2ban", BLOCKLISTD)
_LOOKED_AT: Final = 1 << 16  # bytes
_READERS: Final = {"plain": plain.read, "nft": nft.read, "ipset": ipset.read}
_SEVEN_COLUMNS: Final = (
    r"\A(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*(?:[^\s#]+[ \t]+){6}[0-9*=]\S*[ \t]*(?:#|$)"  # comments before them
)
_MARKS: Final = (
    (BLOCKLISTD, re.compile(r"^\[(local|remote)\]\s*$", re.MULTILINE)),
    ("nft", re.compile(r'^[ \t]*(?:table \S+ \S+ \{|set \S+ \{|\{\s*"nftables")', re.MULTILINE)),
    ("ipset", re.compile(r"^(?:create \S+ \S+:|Name: )", re.MULTILINE)),
    (BLOCKLISTD, re.compile(_SEVEN_COLUMNS, re.MULTILINE)),
)


def recognise(content: Content) -> str:
    """Return the format of *content*; what looks like none of the others is a plain list."""
    if content.format:
        return content.format
    if content.path is not None:
        return "fail2ban"
    head = content.data[:_LOOKED_AT].decode(errors="replace")
    return next((form for form, mark in _MARKS if mark.search(head)), "plain")


def text_of(content: Content) -> str:
    """
    Return the text of *content*.

    Raises:
        ImportFault: it is none.

    """
    if content.path is not None or b"\0" in content.data:
        raise ImportFault(f"{content.origin}: is no text")
    return content.data.decode(errors="backslashreplace")


def read_bans(content: Content, form: str, now_s: int) -> Holding:
    """
    Return what *content* bans.

    Args:
        content: Of a source.
        form: One of FORMATS but blocklistd, which holds no bans.
        now_s: Unix seconds.

    Raises:
        ImportFault: it is not of that format.

    """
    holding = Holding(content.origin, now_s, now_s if content.made_s is None else content.made_s)
    if form == "fail2ban":
        from filter_ban.imports import fail2ban  # noqa: PLC0415 - SQLite is needed for this format only

        if content.path is None:
            raise ImportFault(f"{content.origin}: no database of fail2ban; it must be given as a file")
        fail2ban.read(content.path, holding)
    else:
        _READERS[form](text_of(content), holding)
    return holding
