# SPDX-License-Identifier: ISC
"""
The receiving end of blocklistd's socket: datagrams with a descriptor and the sender's credentials become reports.

Anybody may send anything here. A thread of its own receives and closes: the close of what somebody else has made ready
can take as long as he likes. It works in turns, at most BURST datagrams in each, that the loop gives to it and whose
results the loop then counts; so a flood holds up neither answers to mail servers nor the operator.

Source: blocklistd, ``lib/bl.c`` (``bl_recv``) and ``bin/blocklistd.c`` (``process``); unix(4), unix(7).
"""

import array
import asyncio
import contextlib
import os
import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from filter_ban.sender import MAX_CREDENTIALS, ControlMessage, sender_uid
from filter_ban.sensors.blocklist_datagram import MAX_DATAGRAM, MalformedDatagram, decode
from filter_ban.sensors.blocklistd import (
    MALFORMED,
    SENDER_REFUSED,
    BlocklistdSensor,
    Rejection,
    Report,
)

BURST: Final = 32  # datagrams; the loop counts so many in some tenths of a millisecond
MAX_DESCRIPTORS: Final = 253  # Linux: SCM_MAX_FD; what finds no room the kernel would close, and not as we do
_PROTOCOLS: Final = {socket.SOCK_STREAM: "tcp", socket.SOCK_DGRAM: "udp"}
_INT_BYTES: Final = array.array("i").itemsize
_ROOM: Final = socket.CMSG_SPACE(MAX_CREDENTIALS) + socket.CMSG_SPACE(MAX_DESCRIPTORS * _INT_BYTES)
_NO_LINGER: Final = struct.pack("ii", 0, 0)

Received = Report | Rejection


class BlocklistServer:
    """
    Hears one socket.

    Args:
        sensor: Counts.
        settle: Called after each turn: hands on what the engine decided.
        sock: Where datagrams arrive, with credentials (see :mod:`filter_ban.sender`); closed in the end.
        uids: Who may report.

    """

    def __init__(
        self,
        sensor: BlocklistdSensor,
        settle: Callable[[], None],
        sock: socket.socket,
        uids: frozenset[int],
    ) -> None:
        self._sensor = sensor
        self._settle = settle
        self._sock = sock
        self._uids = uids
        self._turns: queue.SimpleQueue[bool] = queue.SimpleQueue()  # True: receive; False: leave
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="blocklistd", daemon=True)
        self._closed = False

    def open(self) -> None:
        """Begin to receive."""
        self._thread.start()
        self._await()

    async def close(self) -> None:
        """Receive no more; what waits in the socket is for the next engine."""
        self._closed = True
        self._loop.remove_reader(self._sock)
        self._turns.put(False)

    def _await(self) -> None:
        self._loop.add_reader(self._sock, self._arrived)

    def _arrived(self) -> None:
        self._loop.remove_reader(self._sock)
        self._turns.put(True)

    def _run(self) -> None:
        while self._turns.get():
            received = receive(self._sock, self._uids)
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._count, received)
        self._sock.close()  # or the next daemon would think that somebody serves it

    def _count(self, received: Iterable[Received]) -> None:
        try:
            for one in received:
                if isinstance(one, Report):
                    self._sensor.report(one)
                else:
                    self._sensor.reject(one)
            self._settle()
        finally:
            if not self._closed:
                self._await()


def receive(sock: socket.socket, uids: frozenset[int]) -> list[Received]:
    """Return what has arrived at *sock*, at most BURST datagrams; no descriptor that came with one stays open."""
    received: list[Received] = []
    while len(received) < BURST:
        try:
            one = _receive_one(sock, uids)
        except BlockingIOError:
            break
        except OSError as error:  # unix(4) of FreeBSD: there was no room for its descriptors
            one = Rejection(MALFORMED, f"cannot be received: {error}")
        received.append(one)
    return received


def _receive_one(sock: socket.socket, uids: frozenset[int]) -> Received:
    data, messages, flags, _ = sock.recvmsg(
        MAX_DATAGRAM, _ROOM, socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
    )
    descriptors = _descriptors(messages)
    try:
        uid = sender_uid(messages)
        if uid not in uids:
            _hasten(descriptors)
            return Rejection(SENDER_REFUSED, "no credentials" if uid is None else f"uid {uid} may not report")
        if flags & socket.MSG_CTRUNC or len(descriptors) != 1:
            return Rejection(MALFORMED, "comes with other than one descriptor")
        return _read(data, descriptors[0])
    except MalformedDatagram as error:
        return Rejection(MALFORMED, str(error))
    finally:
        for descriptor in descriptors:
            with contextlib.suppress(OSError):  # it is closed even so
                os.close(descriptor)


def _descriptors(messages: Iterable[ControlMessage]) -> list[int]:
    descriptors = array.array("i")
    for level, kind, content in messages:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(content[: len(content) // _INT_BYTES * _INT_BYTES])
    return descriptors.tolist()


def _read(data: bytes, descriptor: int) -> Report:
    """
    Return what a datagram reports.

    The client is the peer of the socket that came with it; only of one that is not connected, the address in the
    datagram. Port and protocol are the socket's own.
    """
    datagram = decode(data)
    with _borrowed(descriptor) as sock:
        protocol = _PROTOCOLS.get(sock.type)
        if protocol is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
            raise MalformedDatagram("its socket is not of TCP or UDP")
        try:
            address = sock.getpeername()[0]
        except OSError:
            address = datagram.address
        port = sock.getsockname()[1]
    if not address:
        raise MalformedDatagram("neither its socket nor itself tells whom it is about")
    return Report(datagram.event, address, port, protocol, datagram.text)


@contextlib.contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """Provide the socket behind *descriptor*, which stays open."""
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError:
        raise MalformedDatagram("its descriptor is no socket") from None
    try:
        yield sock
    finally:
        sock.detach()


def _hasten(descriptors: Iterable[int]) -> None:
    """Have the close of sockets wait for nothing, lest whoever may not report keeps others from it."""
    for descriptor in descriptors:
        with contextlib.suppress(MalformedDatagram, OSError), _borrowed(descriptor) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
