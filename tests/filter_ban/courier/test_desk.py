# SPDX-License-Identifier: ISC
"""The courier's end of its connection to the engine."""

import asyncio
import socket
from typing import Any

from filter_ban.cluster.wire import MAX_UNFOLDED, FrameReader, encode
from filter_ban.courier.desk import Desk


def test_desk() -> None:
    """What is handed over waits for room, counts are told together, and what the engine does not read is left out."""

    async def converse() -> list[tuple[str, dict[str, Any]]]:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        desk = Desk(reader, writer)
        for number in range(MAX_UNFOLDED):
            await desk.hand_over("heard", number % 2, f"{number}-0", 0, b"x")
        waiting = asyncio.ensure_future(desk.hand_over("chunk", 3, "a:0", 0, b"y"))
        await asyncio.sleep(0)
        assert not waiting.done()
        assert desk.awaits(0)
        desk.folded(7)  # nobody waits for that
        desk.folded(1)
        await waiting
        desk.refuse("forged")
        desk.refuse("replayed")
        desk.refuse("forged")

        frames = FrameReader()
        told: list[tuple[str, dict[str, Any]]] = []
        loop = asyncio.get_running_loop()
        while not told or told[-1][0] != "refused":
            told += [frame[:2] for frame in frames.receive_data(await loop.sock_recv(theirs, 65536))]

        await loop.sock_sendall(theirs, encode("folded", {"shard": 0}) + encode("tell"))
        said = desk.frames()
        assert [(await anext(said))[0] for _ in range(2)] == ["folded", "tell"]

        desk.tell("heard", {}, b"x" * (4 << 20))
        desk.mention("peers", {})
        theirs.close()
        desk.close()
        return told

    told = asyncio.run(converse())
    assert [verb for verb, _ in told] == [*["heard"] * MAX_UNFOLDED, "chunk", "refused"]
    assert told[-1][1] == {"forged": 2, "replayed": 1, "malformed": 0, "same_name": 0}
