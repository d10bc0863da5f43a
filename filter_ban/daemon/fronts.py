# SPDX-License-Identifier: ISC
"""The front doors: each listening socket is served in the protocol of those who come there."""

import asyncio
import logging
import os
import pwd
import resource
import socket
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from filter_ban.daemon.commands import Commands
from filter_ban.daemon.control import MAX_REQUEST_BYTES, ControlServer
from filter_ban.daemon.relays import RelayConnection
from filter_ban.daemon.service import Service
from filter_ban.logline import fact
from filter_ban.metrics import Histogram
from filter_ban.places import CONTROL_SOCKET, RELAY_SOCKET
from postfix_policy import Action, PolicyRequest
from postfix_policy.aio import Peer, PolicyServer

if TYPE_CHECKING:
    from filter_ban.daemon.decoy import DecoyServer
    from filter_ban.daemon.metrics import MetricsServer

_log = logging.getLogger(__name__)
Decide: TypeAlias = Callable[[PolicyRequest, Peer], Action]
MAX_POLICY_CONNECTIONS: Final = 4000  # 100 smtpd processes for each service, times the ways it is written
DECOYED_AT_ONCE: Final = 4
DECOYS_WAITING: Final = 1024
RESERVED_FILES: Final = 100  # for the other doors, the ledger and the operator
_NO_HTTP: Final = (
    'needs the extra "http": pip install "filter-ban[http]", or the Debian package python3-aiohttp'
)


class Fronts:
    """
    Everything that is served, from :meth:`open` to :meth:`close`; the sockets themselves outlive it.

    Args:
        service: What is asked and told.
        secret: What Dovecot must send; "" for nothing.

    """

    def __init__(self, service: Service, secret: str) -> None:
        self._service = service
        self._secret = secret
        self._servers: list[asyncio.Server] = []
        self._policy: PolicyServer | None = None
        self._decoy: DecoyServer | None = None
        self._metrics: MetricsServer | None = None
        self._closers: list[Callable[[], Coroutine[Any, Any, None]]] = []

    async def open(self) -> None:
        """Serve what can be served; a listener that cannot is logged, and has its problem noted."""
        control = ControlServer(Commands(self._service).handlers, _uids(()))
        opening = {
            RELAY_SOCKET: self._open_relay,
            CONTROL_SOCKET: lambda sock: self._open_control(sock, control),
            "postfix": self._open_postfix,
            "dovecot": self._open_dovecot,
            "decoy": self._open_decoy,
            "blocklistd": self._open_blocklistd,
            "metrics": self._open_metrics,
        }
        for listener in self._service.listeners:
            if listener["fd"] is None:
                continue
            try:
                await opening[listener["service"]](socket.socket(fileno=listener["fd"]))
            except ImportError as error:
                problem = _NO_HTTP if listener["service"] in ("dovecot", "metrics") else str(error)
                listener["problem"] = problem
                _log.error(fact("cannot-serve", service=listener["service"], why=problem))

    async def close(self) -> None:
        """Let nobody in any more, and finish what has begun."""
        for server in self._servers:
            server.close()
        for close in self._closers:
            await close()

    # not create_unix_server: that one removes the sockets at its end, and these outlive every engine

    async def _open_relay(self, sock: socket.socket) -> None:
        uids = _uids(self._service.config.daemon.relay_users)
        self._servers.append(
            await asyncio.get_running_loop().create_server(
                lambda: RelayConnection(self._service, uids), sock=sock
            )
        )

    async def _open_control(self, sock: socket.socket, control: ControlServer) -> None:
        self._servers.append(
            await asyncio.start_server(control.connected, sock=sock, limit=MAX_REQUEST_BYTES)
        )

    async def _open_postfix(self, sock: socket.socket) -> None:
        if self._policy is None:
            self._policy = _policy_server(self._service)
            self._closers.append(self._policy.stop)
        await self._policy.listen_socket(sock)

    async def _open_dovecot(self, sock: socket.socket) -> None:
        from filter_ban.daemon.dovecot import DovecotServer  # noqa: PLC0415 - needs an extra, and 15 MB

        service = self._service
        took_s = None if service.meter is None else service.meter.answers["dovecot"]
        server = DovecotServer(service.sensors.dovecot, service.settle, self._secret, took_s)
        self._servers.append(await asyncio.get_running_loop().create_server(server.factory, sock=sock))
        self._closers.append(server.close)

    async def _open_metrics(self, sock: socket.socket) -> None:
        from filter_ban.daemon.metrics import MetricsServer  # noqa: PLC0415 - needs an extra, and 15 MB

        assert self._service.meter is not None
        if self._metrics is None:
            self._metrics = MetricsServer(self._service, self._service.meter)
            self._closers.append(self._metrics.close)
        server = await asyncio.get_running_loop().create_server(self._metrics.factory, sock=sock)
        self._servers.append(server)

    async def _open_decoy(self, sock: socket.socket) -> None:
        if self._decoy is None:
            from filter_ban.daemon.decoy import DecoyServer  # noqa: PLC0415 - needs 5 MB

            service = self._service
            took_s = None if service.meter is None else service.meter.answers["decoy"]
            name = socket.gethostname() or "localhost"
            self._decoy = DecoyServer(service.sensors.decoy, service.settle, name, took_s)
            self._closers.append(self._decoy.close)
        # asyncio takes as many connections at once as it asks the system to keep waiting: few, so that others have their turn
        server = await asyncio.get_running_loop().create_server(
            self._decoy.factory, sock=sock, backlog=DECOYED_AT_ONCE
        )
        sock.listen(DECOYS_WAITING)
        self._servers.append(server)

    async def _open_blocklistd(self, sock: socket.socket) -> None:
        service = self._service
        uids = _uids(service.config.blocklistd.users)
        from filter_ban.daemon.blocklistd import BlocklistServer  # noqa: PLC0415 - few have it

        server = BlocklistServer(service.sensors.blocklistd, service.settle, sock, uids)
        server.open()
        self._closers.append(server.close)


def _policy_server(service: Service) -> PolicyServer:
    sensor, settle, engine = service.sensors.postfix, service.settle, service.engine

    def decide(request: PolicyRequest, peer: Peer) -> Action:
        action = sensor.decide(request, peer)
        if engine.outbox:
            settle()
        return action

    def closed(peer: Peer) -> None:
        sensor.closed(peer)
        settle()

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(MAX_POLICY_CONNECTIONS, max(files - RESERVED_FILES, files // 2))
    meter = service.meter
    answer: Decide = decide
    if meter is not None:
        answer = _measured(decide, meter.answers["postfix"])
    return PolicyServer(answer, closed=closed, max_connections=most)


def _measured(decide: Decide, took_s: Histogram) -> Decide:
    """Return *decide* with a measurement around it."""
    clock, observe = time.perf_counter, took_s.observe

    def decide_measured(request: PolicyRequest, peer: Peer) -> Action:
        begun_s = clock()
        action = decide(request, peer)
        observe(clock() - begun_s)
        return action

    return decide_measured


def _uids(users: Iterable[str]) -> frozenset[int]:
    """Return the ids of root, of this process and of those of *users* that exist."""
    uids = {0, os.geteuid()}
    for user in users:
        try:
            uids.add(pwd.getpwnam(user).pw_uid)
        except KeyError:
            continue  # the list names the users of several systems
    return frozenset(uids)
