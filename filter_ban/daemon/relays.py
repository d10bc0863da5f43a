# SPDX-License-Identifier: ISC
"""The relay socket: each connection is an smtpd, with a sensor of its own."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final, TypeAlias, cast

from filter_ban.daemon.service import Service
from filter_ban.logline import fact
from filter_ban.metrics import Histogram
from filter_ban.peer import peer_uid
from filter_ban.sensors.opensmtpd import OpensmtpdSensor

_log = logging.getLogger(__name__)
MAX_UNSENT_BYTES: Final = 1 << 20
Receive: TypeAlias = Callable[[bytes], bytes]
_ANSWER: Final = b"filter-result|"  # smtpd-filters(7)


class RelayConnection(asyncio.Protocol):
    """Bytes from one relay to its sensor, and the sensor's answers back, within the same call."""

    def __init__(self, service: Service, allowed_uids: frozenset[int]) -> None:
        self._service = service
        self._allowed_uids = allowed_uids
        self._sensor: OpensmtpdSensor | None = None
        self._transport: asyncio.Transport | None = None
        self._receive: Receive = _ignore

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the relay if its user may feed us."""
        transport = cast("asyncio.Transport", transport)  # uvloop's are not derived from it
        uid = peer_uid(transport.get_extra_info("socket"))
        if uid not in self._allowed_uids:
            _log.warning(
                fact(
                    "relay-refused",
                    uid=uid,
                    why="not in daemon.relay_users",
                    remedy="add that user there if it is smtpd's",
                )
            )
            transport.abort()
            return
        transport.set_write_buffer_limits(MAX_UNSENT_BYTES)
        self._transport = transport
        service = self._service
        self._sensor = service.sensors.connect()
        self._receive = self._sensor.receive_data
        if service.meter is not None:
            self._receive = _measured(self._receive, service.meter.answers["opensmtpd"])
        _log.info(fact("relay-connected", uid=uid))

    def data_received(self, data: bytes) -> None:
        """Answer first, then hand on what was decided."""
        assert self._transport is not None
        answers = self._receive(data)
        if answers:
            self._transport.write(answers)
        self._service.settle()

    def pause_writing(self) -> None:
        """Drop a relay that does not read."""
        assert self._transport is not None
        _log.warning(fact("relay-dropped", why="it does not read its answers"))
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the relay; its sessions go on with the next connection."""
        if self._sensor is not None:
            self._service.sensors.retire(self._sensor)
            _log.info(fact("relay-gone", why=exc))


def _ignore(_data: bytes) -> bytes:
    """Return no answer: to a relay that is not admitted."""
    return b""


def _measured(receive: Receive, took_s: Histogram) -> Receive:
    """Return *receive* with a measurement around it; what came together was answered together."""
    clock, observe = time.perf_counter, took_s.observe

    def receive_measured(data: bytes) -> bytes:
        begun_s = clock()
        replies = receive(data)
        if replies:
            observe(clock() - begun_s, replies.count(_ANSWER))
        return replies

    return receive_measured
