# SPDX-License-Identifier: ISC
"""What may stand at a store's port instead of the store: something slow, or something that talks nonsense."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from tests.real.farm import STORE
from tests.real.namespaces import NetworkNamespace
from tests.real.store import PORT, Store

DELAY_S: Final = 0.2
_PIECE_BYTES: Final = 1 << 16
_START_S: Final = 20.0
_MANY: Final = 1 << 20

Served = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

# RESP: a wrong type, lengths that nobody can have, an error without end, numbers that are none, HTTP, silence of a kind.
NONSENSE: Final[dict[str, bytes]] = {
    "not the protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "binary": bytes(range(256)) * 16,
    "a huge length": b"$999999999999\r\n",
    "a huge array": b"*2147483647\r\n",
    "deep arrays": b"*1\r\n" * 5000,
    "a line without end": b"+" + b"x" * _MANY,
    "other answers": b":1\r\n+OK\r\n$-1\r\n*0\r\n" * 100,
}


@contextlib.contextmanager
def slow(store: Store, network: NetworkNamespace, delay_s: float = DELAY_S) -> Iterator[None]:
    """Let everything that anybody says to the store arrive later."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(str(store.path))
        try:
            await asyncio.gather(_carry(reader, back, delay_s), _carry(there, writer, 0.0))
        finally:
            back.close()

    with _instead(store, network, serve):
        yield


@contextlib.contextmanager
def nonsense(store: Store, network: NetworkNamespace, said: bytes) -> Iterator[None]:
    """Let something else answer whatever is asked with *said*, again and again."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(_PIECE_BYTES):
            writer.write(said)
            await writer.drain()

    with _instead(store, network, serve):
        yield


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Hand on what is read, each piece so much later, until either side is gone."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        data = b"more"
        while data:
            data = await reader.read(_PIECE_BYTES)
            waiting.put_nowait((loop.time() + delay_s, data))

    reading = asyncio.create_task(read())
    try:
        while True:
            due_s, data = await waiting.get()
            await asyncio.sleep(due_s - loop.time())
            if not data:
                break
            writer.write(data)
            await writer.drain()
    finally:
        reading.cancel()
        writer.close()


@contextlib.contextmanager
def _instead(store: Store, network: NetworkNamespace, serve: Served) -> Iterator[None]:
    """Serve the store's port in its network, from a thread."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await serve(reader, writer)
        writer.close()

    async def main() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with await asyncio.start_server(connected, sock=listener) as server:
            stops.append(lambda: loop.call_soon_threadsafe(stopped.set))
            ready.set()
            await stopped.wait()
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    ready = threading.Event()
    stops: list[Callable[[], object]] = []
    store.withdraw()
    with network.entered():
        listener = socket.create_server((STORE, PORT))
    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert ready.wait(_START_S)
        yield
    finally:
        stops[0]()
        thread.join()
        listener.close()
        store.come_back()
