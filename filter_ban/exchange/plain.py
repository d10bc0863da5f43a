# SPDX-License-Identifier: ISC
"""
Plain lists: an address, prefix or range a line, ``#`` comments; also the files and tables of pfctl.

Source: pfctl(8), show: one address or network a line, indented; ``!`` marks one that the table leaves out. replace -f:
the same, and ``#`` begins a comment.
"""

from collections.abc import Iterable, Iterator

from filter_ban.client import key_text
from filter_ban.exchange.banned import Banned
from filter_ban.exchange.holding import Holding


def read(text: str, holding: Holding) -> None:
    """Add the lines of *text*."""
    for number, line in enumerate(text.split("\n"), 1):
        client = line.partition("#")[0].strip()
        if client.startswith("!"):
            holding.miss(f"line {number}", "an exception within the table, no ban; see never.networks")
        elif client:
            holding.take(client, f"line {number}")


def write(bans: Iterable[Banned]) -> Iterator[str]:
    """Yield a line for each of *bans*."""
    return (f"{key_text(each.ban.client)}\n" for each in bans)
