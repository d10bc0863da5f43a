# SPDX-License-Identifier: ISC
"""
Plain lists: an address, prefix or range a line, ``#`` comments; also what ``pfctl -T show`` prints.

Source: pfctl(8), show: one address or network a line, indented; ``!`` marks one that the table leaves out.
"""

from filter_ban.imports.holding import Holding


def read(text: str, holding: Holding) -> None:
    """Add the lines of *text*."""
    for number, line in enumerate(text.split("\n"), 1):
        client = line.partition("#")[0].strip()
        if client.startswith("!"):
            holding.miss(f"line {number}", "an exception within the table, no ban; see never.networks")
        elif client:
            holding.take(client, f"line {number}")
