# SPDX-License-Identifier: ISC
"""
Data of rbldnsd, which serves lists of addresses over DNS.

Source: rbldnsd(8), "combined", "ip4set" and "ip6trie": an address or prefix, then ``:A value:TXT``; ``:2:`` is 127.0.0.2. In
a TXT ``$`` stands for the address that was asked for. A line has at most 511 bytes, a TXT 255.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from filter_ban.client import is_ipv4, key_text
from filter_ban.exchange.banned import Banned
from filter_ban.exchange.holding import Holding
from filter_ban.reply import ReplyTemplate

MAX_TXT: Final = 255
# comments, what is said of the dataset, and what holds for the lines below
_NO_ENTRY: Final = re.compile(r"[#;$]|:[0-9$]")
_HEAD: Final = """\
# bans of filter-ban, for rbldnsd ZONE:combined:FILE
$TTL 60
"""
_DATASETS: Final = ("$DATASET ip4set:ipv4 @\n", "$DATASET ip6trie:ipv6 @\n")


def read(text: str, holding: Holding) -> None:
    """Add the addresses and prefixes of *text*; octets that are left out, and ranges of them, are not understood."""
    for number, line in enumerate(text.split("\n"), 1):
        entry, _, value = line.strip().partition(" ")
        if entry.startswith("!"):
            holding.miss(f"line {number}", "an exception within the list, no ban; see never.networks")
        elif entry and not _NO_ENTRY.match(entry):
            holding.take(entry, f"line {number}", remark=value.strip().rpartition(":2:")[2])


def write(bans: Iterable[Banned], reply: ReplyTemplate) -> Iterator[str]:
    """Yield a line for each of *bans*, those of IPv4 first."""
    lines: tuple[list[str], list[str]] = ([], [])
    for each in bans:
        lines[not is_ipv4(each.ban.client)].append(_line(each, reply))
    yield _HEAD
    for dataset, entries in zip(_DATASETS, lines, strict=True):
        yield dataset
        yield from entries


def _line(each: Banned, reply: ReplyTemplate) -> str:
    client = key_text(each.ban.client)
    entry = (
        f"0{client}" if client.startswith(":") else client
    )  # a colon begins what holds for the lines below
    return f"{entry} :2:{_txt(reply.render(each.ban).explanation)}\n"


def _txt(text: str) -> str:
    return text.replace("$", "$$")[:MAX_TXT]
