# SPDX-License-Identifier: ISC
"""One courier at a time, started again when it ends, and the frames between it and the engine."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from filter_ban.cluster.wire import Frame, FrameReader, encode
from filter_ban.courier.process import CourierProcess
from filter_ban.logline import fact

_log = logging.getLogger(__name__)
SILENCE_S: Final = 60.0  # a courier that is silent for so long is hung
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
_READ_BYTES: Final = 1 << 18


class Couriers:
    """
    Whoever is the courier now.

    Args:
        opened: Called when one is there.
        heed: Gets each of its frames, in their order.
        closed: Called when it is gone, with the reason.

    """

    def __init__(
        self,
        *,
        opened: Callable[[], None],
        heed: Callable[[Frame], Awaitable[None]],
        closed: Callable[[str], None],
    ) -> None:
        self.pid: int | None = None
        self._opened = opened
        self._heed = heed
        self._closed = closed
        self._writer: asyncio.StreamWriter | None = None

    @property
    def is_there(self) -> bool:
        """Whether frames can be sent."""
        return self._writer is not None

    def send(self, verb: str, facts: dict[str, Any] | None = None, payload: bytes = b"") -> None:
        """Send a frame, if a courier is there; never waits."""
        if self._writer is not None:
            self._writer.write(encode(verb, facts, payload))

    async def run(self) -> None:
        """Keep one running, until cancelled."""
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while True:
            started_s = loop.time()
            try:
                why = await self._converse()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next courier may do better
                why = f"a fault in the engine: {error!r}"
            if loop.time() - started_s > LONGEST_PAUSE_S:
                pause_s = FIRST_PAUSE_S
            _log.error(fact("courier-ended", why=why, again_in_s=pause_s))
            self._closed(why)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _converse(self) -> str:
        """Start a courier and heed it until it has ended; return why it did."""
        try:
            courier = CourierProcess()
        except OSError as error:
            return f"cannot be started: {error.strerror}"
        reader, self._writer = await asyncio.open_unix_connection(sock=courier.connection)
        self.pid = courier.pid
        try:
            self._opened()
            await self._listen(reader)
        except TimeoutError:
            return "it hangs"
        except (OSError, ValueError) as error:
            return f"it cannot be understood: {error}"
        finally:
            self._writer.close()
            self._writer = self.pid = None
            await asyncio.shield(asyncio.to_thread(courier.end))  # it must have an end
        return "its end of the connection was closed"

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        frames = FrameReader()
        while True:
            async with asyncio.timeout(SILENCE_S):  # wait_for may swallow our end where data comes
                data = await reader.read(_READ_BYTES)
            if not data:
                return
            for frame in frames.receive_data(data):
                await self._heed(frame)
