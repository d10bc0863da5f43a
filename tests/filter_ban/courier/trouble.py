# SPDX-License-Identifier: ISC
"""What stands between a courier and its store, or in the place of it."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator


class Door:
    """A TCP port whose visitors are each served by a thread."""

    def __init__(self, serve: Callable[[socket.socket], None], port: int = 0) -> None:
        self._serve = serve
        self._open: list[socket.socket] = []
        self.visits = 0
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                visitor, _ = self._listener.accept()
            except OSError:
                return
            self.visits += 1
            self._open.append(visitor)
            thread = threading.Thread(target=self._converse, args=(visitor,))
            self._threads.append(thread)
            thread.start()

    def _converse(self, visitor: socket.socket) -> None:
        with contextlib.suppress(OSError), visitor:
            self._serve(visitor)

    def close(self) -> None:
        """End all conversations."""
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join()


@contextlib.contextmanager
def chattering(data: bytes, port: int = 0, *, endless: bool = False) -> Iterator[Door]:
    """Answer whatever is said with *data*, or say it without end."""

    def serve(visitor: socket.socket) -> None:
        if endless:
            visitor.sendall(data)
            while True:
                visitor.sendall(b"x" * 65536)
        while visitor.recv(65536):
            visitor.sendall(data)

    door = Door(serve, port)
    try:
        yield door
    finally:
        door.close()


class Proxy:
    """
    Passes on what is said, later or not at all.

    Args:
        port: Of the store.
        delay_s: How much later.

    """

    def __init__(self, port: int, delay_s: float = 0.0) -> None:
        self._port = port
        self._delay_s = delay_s
        self._passing = threading.Event()
        self._passing.set()
        self._open: list[socket.socket] = []
        self.door = Door(self._serve)

    def drop(self) -> None:
        """Let nothing through, and have nobody know."""
        self._passing.clear()

    def heal(self) -> None:
        """Let through what is said from now on; what was said before is lost with its connection."""
        self._passing.set()

    def _serve(self, visitor: socket.socket) -> None:
        self._passing.wait()
        with socket.create_connection(("127.0.0.1", self._port)) as store:
            self._open.append(store)
            back = threading.Thread(target=self._pass, args=(store, visitor))
            back.start()
            self._pass(visitor, store)
            back.join()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 20):
                time.sleep(self._delay_s)  # that is what it is for
                if not self._passing.is_set():
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End it."""
        self._passing.set()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self.door.close()


@contextlib.contextmanager
def passing(port: int, delay_s: float = 0.0) -> Iterator[Proxy]:
    """Stand before a store."""
    proxy = Proxy(port, delay_s)
    try:
        yield proxy
    finally:
        proxy.close()
