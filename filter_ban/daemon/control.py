# SPDX-License-Identifier: ISC
"""
The control socket: the operator's commands.

A request is one JSON object a line, ``{"command": "list", …}``; the answer is any number of JSON objects, a line each,
of which the last has the key ``done`` or ``error``.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from filter_ban.logline import fact
from filter_ban.peer import peer_uid

_log = logging.getLogger(__name__)
MAX_REQUEST_BYTES: Final = 4 << 20

Request = dict[str, Any]
Handler = Callable[[Request], AsyncIterator[dict[str, Any]]]


class CommandError(Exception):
    """A request that cannot be done; the text says why and what to do."""


class ControlServer:
    """Serves requests one after another on each connection; any number of connections."""

    def __init__(self, handlers: dict[str, Handler], allowed_uids: frozenset[int]) -> None:
        self._handlers = handlers
        self._allowed_uids = allowed_uids
        self._tasks: set[asyncio.Task[None]] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; started by asyncio for each."""
        uid = peer_uid(writer.get_extra_info("socket"))
        try:
            if uid not in self._allowed_uids:
                _log.warning(fact("control-refused", uid=uid, why="neither root nor the daemon's own user"))
                await _send(
                    writer,
                    {
                        "error": "only root and the daemon's own user may use the control socket; try again as root"
                    },
                )
                return
            while line := await reader.readline():
                await self._serve(line, writer)
        except (ConnectionError, asyncio.LimitOverrunError, ValueError) as error:
            _log.warning(fact("control-dropped", why=error))
        finally:
            writer.close()

    async def _serve(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(line)
            handler = self._handlers[request["command"]]
        except (ValueError, KeyError, TypeError):
            await _send(
                writer,
                {"error": "not a request that this daemon knows; is it of another version? Then restart it"},
            )
            return
        try:
            async for part in handler(request):
                await _send(writer, part)
        except CommandError as error:
            await _send(writer, {"error": str(error)})
        except Exception as error:  # noqa: BLE001 - the seam: a fault in one command must not end the daemon
            _log.exception(fact("command-failed", command=request["command"]))
            await _send(
                writer, {"error": f"internal error: {type(error).__name__}; the daemon's log has more"}
            )
        else:
            await _send(writer, {"done": True})


async def _send(writer: asyncio.StreamWriter, part: dict[str, Any]) -> None:
    writer.write(json.dumps(part, separators=(",", ":")).encode() + b"\n")
    await writer.drain()
