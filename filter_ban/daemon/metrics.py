# SPDX-License-Identifier: ISC
"""
The metrics' HTTP endpoint: ``GET /metrics``, for Prometheus and what reads its format.

No answer tells of a client or a user, so whoever can connect may read; what a reader can cost is bounded as for Dovecot.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from filter_ban.daemon import figures
from filter_ban.daemon.http_server import HttpError, HttpServer
from filter_ban.daemon.meter import Meter
from filter_ban.daemon.service import Service
from filter_ban.metrics import accepted, render

PATH: Final = "/metrics"
METHODS: Final = ("GET", "HEAD")
MAX_CONNECTIONS: Final = 20
SAMPLE_S: Final = 0.1


class MetricsServer:
    """
    Answers Prometheus, and samples how busy the loop is; create it within the loop that runs it.

    Args:
        service, meter: What is told of.

    """

    def __init__(self, service: Service, meter: Meter) -> None:
        self._service = service
        self._meter = meter
        self._server = HttpServer("metrics", self._respond, _failure, MAX_CONNECTIONS)
        self._sampling = asyncio.get_running_loop().create_task(self._sample())

    def factory(self) -> asyncio.Protocol:
        """Return the protocol of one more connection, as ``loop.create_server`` asks for it."""
        return self._server.factory()

    async def close(self) -> None:
        """Stop sampling, and close all connections."""
        self._sampling.cancel()
        await self._server.close()

    async def _respond(self, request: web.BaseRequest) -> web.Response:
        if request.path != PATH:
            raise HttpError(404, f"the metrics are at {PATH}")
        if request.method not in METHODS:
            raise HttpError(405, "use GET", {"Allow": ", ".join(METHODS)})
        form = accepted(request.headers.get("Accept", ""))
        text = render(await figures.read(self._service, self._meter), form)
        return web.Response(body=text.encode(), headers={"Content-Type": form.value})

    async def _sample(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + SAMPLE_S
            await asyncio.sleep(SAMPLE_S)
            self._meter.loop_lag.observe(max(0.0, loop.time() - due_s))


def _failure(status: int, reason: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(text=f"{reason}\n", status=status, headers=headers)
