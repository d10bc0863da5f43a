# SPDX-License-Identifier: ISC
"""How long work shares the loop."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from filter_ban.daemon.turns import Turns


@given(st.lists(st.integers(), max_size=50), st.integers(1, 9))
def test_pieces_are_the_whole_in_order(items: list[int], size: int) -> None:
    """No piece is empty or larger than asked."""

    async def collect() -> list[list[int]]:
        return [piece async for piece in Turns().pieces(iter(items), size)]

    pieces = asyncio.run(collect())

    assert [item for piece in pieces for item in piece] == items
    assert all(1 <= len(piece) <= size for piece in pieces)


def test_one_piece_a_round_whoever_works() -> None:
    """Five that work at the same time do no more in a round of the loop than one, and each has its turn."""
    rounds: list[list[int]] = [[]]
    working = True

    async def work(turns: Turns, name: int) -> None:
        async for _ in turns.pieces(range(10), 1):
            rounds[-1].append(name)

    async def watch() -> None:
        while working:
            rounds.append([])
            await asyncio.sleep(0)

    async def run() -> None:
        nonlocal working
        turns = Turns()
        watching = asyncio.create_task(watch())
        await asyncio.gather(*(work(turns, name) for name in range(5)))
        working = False
        await watching

    asyncio.run(run())

    done = [name for one in rounds for name in one]
    assert max(map(len, rounds)) == 1
    assert done[:5] == done[5:10] == [0, 1, 2, 3, 4]
    assert len(done) == 50
