# SPDX-License-Identifier: ISC
"""
Entry of the courier: ``python -m filter_ban.courier FD``, started by the engine with its connection as FD.

It works until the engine closes the connection; signals to its group are no reason to leave.
"""

import asyncio
import os
import resource
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from filter_ban.courier.desk import Desk
from filter_ban.courier.health import Health
from filter_ban.courier.settings import Settings

if TYPE_CHECKING:
    from filter_ban.courier.courier import Courier

_MEMORY_BYTES: Final = 512 << 20  # beyond what all that is bounded can need
_LOOKUPS: Final = 32  # of names at once: one that hangs for half a minute must not hold up the next
_STACK_BYTES: Final = 1 << 20  # of the threads for them


async def serve(connection: socket.socket) -> None:
    """Work for the engine at the other end of *connection*, until that is closed."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_LOOKUPS))
    loop.set_exception_handler(lambda *_: None)  # of connections that broke; each is told of by its errand
    desk = Desk(*await asyncio.open_unix_connection(sock=connection))
    courier: Courier | None = None
    working: asyncio.Task[None] | None = None
    try:
        async for frame in desk.frames():
            if courier is not None:
                courier.heed(frame)
            elif frame[0] == "start":
                courier = _courier(Settings.from_facts(frame[1]), desk)
                if courier is not None:
                    working = loop.create_task(courier.run())
                    working.add_done_callback(lambda _: desk.close())
    except ConnectionError:
        pass  # the engine is gone
    if working is not None and working.done():
        await working  # it has failed: say why
    os._exit(0)  # lookups of names may go on for half a minute


def _courier(settings: Settings, desk: Desk) -> "Courier | None":
    """Return who does the work; where that cannot be, tell the engine why."""
    try:
        from filter_ban.courier.courier import Courier  # noqa: PLC0415 - redis-py may not be there
    except ImportError as error:
        for index in range(len(settings.stores)):
            Health(desk, index).note("import", f'the extra "cluster" is not installed: {error}')
        return None
    return Courier(settings, desk)


def main() -> None:
    """Serve the engine, bounded in memory, and without leaving secrets in a core file."""
    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    if most == resource.RLIM_INFINITY or most > _MEMORY_BYTES:
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, most))
    threading.stack_size(_STACK_BYTES)
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        asyncio.run(serve(connection))


if __name__ == "__main__":
    main()
