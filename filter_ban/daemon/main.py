# SPDX-License-Identifier: ISC
"""
Life cycle of the engine process.

Start: configuration from the enforcer, ledger, bans back in force, sockets; offences and strikes come back in the background. Stop:
no new connections, ledger and recording flushed, leave. The firewall stays as it is.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from filter_ban.channel import HEARTBEAT_S, MessageReader
from filter_ban.config import parse_config
from filter_ban.daemon.fronts import Fronts
from filter_ban.daemon.service import Service
from filter_ban.logline import fact

_log = logging.getLogger(__name__)
EXPIRY_S: Final = 1.0
HOUSEKEEPING_S: Final = 3600.0
FLUSH_S: Final = 5.0
DRAIN_S: Final = 1.0


def serve(
    start: dict[str, Any],
    channel: socket.socket,
    new_loop: Callable[[], asyncio.AbstractEventLoop] | None,
) -> None:
    """
    Run the engine.

    Args:
        start: What the enforcer said at the start (see :mod:`filter_ban.channel`).
        channel: The connection to it.
        new_loop: Makes the loop; None: asyncio does.

    """
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_serve(start, channel))


async def _serve(start: dict[str, Any], channel: socket.socket) -> None:
    channel.setblocking(False)
    reader, writer = await asyncio.open_unix_connection(sock=channel)
    service = Service(
        config=parse_config(start["config"], start["file"]),
        config_file=start["file"],
        ledger_path=Path(start["ledger"]),
        listeners=start["listeners"],
        surroundings=start["surroundings"],
        send=writer.write,
        cluster_secrets=start["cluster"],
    )
    chores = [_start(_beat(service), service), _start(_hear(reader, service), service)]
    await service.recall_bans()
    fronts = Fronts(service, start["secret"])
    await fronts.open()
    policy = service.engine.policy
    _log.info(
        fact(
            "serving",
            bans=len(service.engine.bans),
            mode=policy.mode,
            firewall=",".join(service.enforcer.backends) or "none",
            loop=type(asyncio.get_running_loop()).__module__.partition(".")[0],
        )
    )
    chores += [
        _start(_repeat(service.expire, EXPIRY_S), service),
        _start(_repeat(service.forget, HOUSEKEEPING_S), service),
        _start(_recall_and_join(service), service),
    ]
    await service.stopping.wait()
    await fronts.close()
    service.hourly.hand_over()
    if service.cluster is not None:
        await service.cluster.drain(DRAIN_S)
        service.cluster.remember()
    for chore in chores:
        chore.cancel()
    stoppers = (
        [service.writer.stop] if service.recorder is None else [service.writer.stop, service.recorder.stop]
    )
    await asyncio.gather(*(asyncio.to_thread(stop, FLUSH_S) for stop in stoppers))


async def _hear(reader: asyncio.StreamReader, service: Service) -> None:
    messages = MessageReader()
    while data := await reader.read(1 << 16):
        for verb, argument in messages.receive_data(data):
            await service.heard(verb, argument)
    service.stopping.set()  # the enforcer is gone: leave, another one will start another engine


async def _recall_and_join(service: Service) -> None:
    await service.recall_past()
    if service.cluster is not None:
        await service.cluster.run()


async def _beat(service: Service) -> None:
    while True:
        service.enforcer.alive()
        await asyncio.sleep(HEARTBEAT_S)


async def _repeat(work: Callable[[], Awaitable[None]], pause_s: float) -> None:
    while True:
        await work()
        await asyncio.sleep(pause_s)


def _start(chore: Coroutine[Any, Any, None], service: Service) -> "asyncio.Task[None]":
    task = asyncio.create_task(chore)
    task.add_done_callback(lambda chore: _end_after_fault(chore, service))
    return task


def _end_after_fault(chore: "asyncio.Task[None]", service: Service) -> None:
    if not chore.cancelled() and chore.exception() is not None:
        _log.critical(fact("stopping", why="a fault in the engine"), exc_info=chore.exception())
        service.stopping.set()
