# SPDX-License-Identifier: ISC
"""
Life cycle of the engine process.

Start: configuration from the enforcer, ledger, bans back in force, sockets; offences and strikes come back in the background. Stop:
no new connections, ledger flushed, leave. The firewall stays as it is.
"""

import asyncio
import logging
import os
import pwd
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from filter_ban.channel import HEARTBEAT_S, MessageReader
from filter_ban.config import parse_config
from filter_ban.daemon.commands import Commands
from filter_ban.daemon.control import MAX_REQUEST_BYTES, ControlServer
from filter_ban.daemon.relays import RelayConnection
from filter_ban.daemon.service import Service
from filter_ban.logline import fact
from filter_ban.places import CONTROL_SOCKET, RELAY_SOCKET

_log = logging.getLogger(__name__)
EXPIRY_S: Final = 1.0
HOUSEKEEPING_S: Final = 3600.0
FLUSH_S: Final = 5.0


def serve(start: dict[str, Any], channel: socket.socket) -> None:
    """Run the engine with what the enforcer said at the start (see :mod:`filter_ban.channel`)."""
    asyncio.run(_serve(start, channel))


async def _serve(start: dict[str, Any], channel: socket.socket) -> None:
    channel.setblocking(False)
    reader, writer = await asyncio.open_unix_connection(sock=channel)
    service = Service(
        config=parse_config(start["config"], start["file"]),
        config_file=start["file"],
        ledger_path=Path(start["ledger"]),
        surroundings=start["surroundings"],
        send=writer.write,
    )
    service.enforcer.alive()
    service.recall_bans()
    servers = await _listen(
        service, {name: socket.socket(fileno=fd) for name, fd in start["listeners"].items()}
    )
    policy = service.engine.policy
    _log.info(
        fact("serving", bans=len(service.engine.bans), mode=policy.mode, firewall=service.enforcer.backend)
    )
    chores = [
        asyncio.create_task(_hear(reader, service)),
        asyncio.create_task(_repeat(service.enforcer.alive, HEARTBEAT_S)),
        asyncio.create_task(_repeat(service.expire, EXPIRY_S)),
        asyncio.create_task(_repeat(service.forget, HOUSEKEEPING_S)),
        asyncio.create_task(service.recall_past()),
    ]
    for chore in chores:
        chore.add_done_callback(lambda chore: _end_after_fault(chore, service))
    await service.stopping.wait()
    for server in servers:
        server.close()
    for chore in chores:
        chore.cancel()
    await asyncio.to_thread(service.writer.stop, FLUSH_S)


async def _listen(service: Service, listeners: dict[str, socket.socket]) -> list[asyncio.Server]:
    relay_uids = _uids(service.config.daemon.relay_users)
    control = ControlServer(Commands(service).handlers, _uids(()))
    # not create_unix_server: that one removes the sockets at its end, and these outlive every engine
    return [
        await asyncio.get_running_loop().create_server(
            lambda: RelayConnection(service, relay_uids), sock=listeners[RELAY_SOCKET]
        ),
        await asyncio.start_server(
            control.connected, sock=listeners[CONTROL_SOCKET], limit=MAX_REQUEST_BYTES
        ),
    ]


async def _hear(reader: asyncio.StreamReader, service: Service) -> None:
    messages = MessageReader()
    while data := await reader.read(1 << 16):
        for verb, argument in messages.receive_data(data):
            service.heard(verb, argument)
    service.stopping.set()  # the enforcer is gone: leave, another one will start another engine


async def _repeat(work: Callable[[], None], pause_s: float) -> None:
    while True:
        work()
        await asyncio.sleep(pause_s)


def _end_after_fault(chore: "asyncio.Task[None]", service: Service) -> None:
    if not chore.cancelled() and chore.exception() is not None:
        _log.critical(fact("stopping", why="a fault in the engine"), exc_info=chore.exception())
        service.stopping.set()


def _uids(users: Iterable[str]) -> frozenset[int]:
    """Return the ids of root, of this process and of those of *users* that exist."""
    uids = {0, os.geteuid()}
    for user in users:
        try:
            uids.add(pwd.getpwnam(user).pw_uid)
        except KeyError:
            continue  # the list names the users of several systems
    return frozenset(uids)
