# SPDX-License-Identifier: ISC
"""The formats that are understood, and how to tell them apart by looking."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from filter_ban.client import ClientKey
from filter_ban.exchange import documents, ipset, nft, nft_script, plain, postfix, rbldnsd, spreadsheet
from filter_ban.exchange.banned import Banned
from filter_ban.exchange.holding import Holding, ImportFault
from filter_ban.exchange.source import Content
from filter_ban.reply import ReplyTemplate

BLOCKLISTD: Final = "blocklistd"
EXPORTED: Final = ("plain", "json", "csv", "postfix-access", "cidr", "rbldnsd", "pf", "nft")
FORMATS: Final = (*EXPORTED, "ipset", "fail2ban", BLOCKLISTD)
FOR_FIREWALLS: Final = ("pf", "nft")
_LOOKED_AT: Final = 1 << 16  # bytes
_READERS: Final = {
    "plain": plain.read,
    "json": documents.read,
    "csv": spreadsheet.read,
    "postfix-access": postfix.read_access,
    "cidr": postfix.read_cidr,
    "rbldnsd": rbldnsd.read,
    "pf": plain.read,
    "nft": nft.read,
    "ipset": ipset.read,
}
_WRITERS: Final = {
    "plain": plain.write,
    "json": documents.write,
    "csv": spreadsheet.write,
    "pf": plain.write,
}
_SPEAKING_WRITERS: Final = {"cidr": postfix.write_cidr, "rbldnsd": rbldnsd.write}  # they tell clients why
_SEVEN_COLUMNS: Final = (
    r"\A(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*(?:[^\s#]+[ \t]+){6}[0-9*=]\S*[ \t]*(?:#|$)"  # comments before them
)
_REFUSED: Final = r"[ \t]+(?i:[45][0-9]{2}[ \t]+[^\s#]|reject\b)"  # what Postfix tells a client
_MARKS: Final = (
    (BLOCKLISTD, re.compile(r"^\[(local|remote)\]\s*$", re.MULTILINE)),
    (
        "nft",
        re.compile(r'^[ \t]*(?:(?:add )?table \S+ \S+(?: \{|$)|set \S+ \{|\{\s*"nftables")', re.MULTILINE),
    ),
    ("json", re.compile(r"\A\s*(?:\[\s*[\]{]|\{\s*\")")),
    ("csv", re.compile(r"\A\ufeff?(?:\w+,)*client(?:,|\s)")),
    ("rbldnsd", re.compile(r"^\$(?:DATASET|SOA|NS|TTL)[ \t]", re.MULTILINE)),
    ("ipset", re.compile(r"^(?:create \S+ \S+:|Name: )", re.MULTILINE)),
    ("cidr", re.compile(rf"^[0-9A-Fa-f.:]+/[0-9]+{_REFUSED}", re.MULTILINE)),
    ("postfix-access", re.compile(rf"^[0-9A-Fa-f.:]+{_REFUSED}", re.MULTILINE)),
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
        from filter_ban.exchange import fail2ban  # noqa: PLC0415 - SQLite is needed for this format only

        if content.path is None:
            raise ImportFault(f"{content.origin}: no database of fail2ban; it must be given as a file")
        fail2ban.read(content.path, holding)
    else:
        _READERS[form](text_of(content), holding)
    return holding


def write_bans(
    bans: Iterable[Banned], form: str, *, now_s: int, reply: ReplyTemplate, omitted: list[ClientKey]
) -> Iterator[str]:
    """
    Yield *bans* in a format, in pieces of text.

    Args:
        bans: What is to be written.
        form: One of EXPORTED.
        now_s: Unix seconds.
        reply: What mail servers tell the banned.
        omitted: Gets those that the format has no way to say.

    """
    if form == "nft":
        return nft_script.write(bans, now_s)
    if form == "postfix-access":
        return postfix.write_access(bans, reply, omitted)
    if form in _SPEAKING_WRITERS:
        return _SPEAKING_WRITERS[form](bans, reply)
    return _WRITERS[form](bans)
