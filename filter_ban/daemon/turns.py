# SPDX-License-Identifier: ISC
"""How long work shares the loop with answers to servers: in pieces, and of all such work one piece a round."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")
PIECE: Final = 100  # bans; about a millisecond of work


class Turns:
    """
    Gives one piece of work at a time its turn.

    Whatever a server asked meanwhile is answered between two turns, and no sooner is it the next one's, however many
    operators ask for lists while a hundred thousand bans end.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()  # whoever waits for it is served in order

    async def next(self) -> None:
        """Wait until it is the caller's turn to do a piece of work."""
        async with self._lock:
            os.sched_yield()  # else whoever waits for this core, a mail server perhaps, waits for some milliseconds
            await asyncio.sleep(0)

    async def pieces(self, items: Iterable[T], size: int = PIECE) -> AsyncIterator[list[T]]:
        """Yield *items* in order, no more than *size* in each turn."""
        remaining = iter(items)
        while True:
            await self.next()
            piece = list(islice(remaining, size))
            if not piece:
                return
            yield piece
