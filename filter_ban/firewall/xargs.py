# SPDX-License-Identifier: ISC
"""
One run of a tool for each client, for tools that take one address at a time.

xargs starts them one after the other, 2 ms each, and goes on when one fails; its own status then says no more than
that some did. To us it is one command with one deadline, whatever the number of clients.

Source: xargs(1) of POSIX, FreeBSD and NetBSD.
"""

from collections.abc import Collection, Sequence
from typing import Final

from filter_ban.client import ClientKey, key_text
from filter_ban.firewall.base import BULK_S, Command

_EACH_S: Final = 0.01  # allowed for a run; 2 ms is usual


def each(argv: Sequence[str], clients: Collection[ClientKey], *, may_fail: bool = False) -> list[Command]:
    """Return what runs *argv* with each of *clients* as the last argument: one command at most."""
    texts = [key_text(key) for key in clients]
    if not texts:
        return []
    if len(texts) == 1:
        return [Command((*argv, *texts), may_fail=may_fail)]
    stdin = "".join(f"{text}\n" for text in texts).encode()
    return [Command(("xargs", "-n", "1", *argv), stdin, BULK_S + _EACH_S * len(texts), may_fail=may_fail)]
