# SPDX-License-Identifier: ISC
"""Visits to what is no store, or none that lets us in."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from filter_ban.doctor.store import Login, Place, StoreError
from filter_ban.doctor.store_visit import visit

STREAMS: Final = {0: "filter-ban:{0}:stream"}
DENIED: Final = b"-NOAUTH Authentication required.\r\n"
ANSWERS: Final = {
    "no login": (DENIED, "login"),
    "wrong login": (b"-WRONGPASS invalid username-password pair or user is disabled.\r\n", "login"),
    "loading": (b"-LOADING Redis is loading the dataset in memory\r\n", "loading"),
    "mail server": (b"220 mail.example.org ESMTP\r\n", "strange"),
    "web server": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "strange"),
    "nonsense": (b"\x00\xff\xfe\r\n" * 10, "strange"),
    "nothing": (b"", "down"),
}


@contextlib.contextmanager
def server(answer: bytes) -> Iterator[int]:
    """Answer each request with the same and yield the port; where that is nothing, hang up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        while connection.recv(65_536) and answer:
                            connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def kind_of(place: Place) -> str:
    """Return why a visit fails."""
    with pytest.raises(StoreError) as raised:
        visit(place, Login("filter-ban", "secret"), "filter-ban", STREAMS)
    assert "secret" not in str(raised.value)
    return raised.value.kind


@pytest.mark.parametrize(("answer", "kind"), ANSWERS.values(), ids=ANSWERS)
def test_answers(answer: bytes, kind: str) -> None:
    """What answers otherwise than a store that lets us in is told by its kind, from one server as from a cluster of them."""
    with server(answer) as port:
        for place in "", "cluster":
            assert kind_of(Place(hosts=(("127.0.0.1", port),), kind=place)) == kind


def test_no_tls() -> None:
    """A server that speaks no TLS where some is wanted is told as such."""
    with server(b"-ERR unknown command\r\n") as port:
        assert kind_of(Place(hosts=(("127.0.0.1", port),), tls=True)) == "tls"


def test_strange_slots() -> None:
    """What is no answer to the question for slots is strange."""
    with server(b"+OK\r\n") as port:
        assert kind_of(Place(hosts=(("127.0.0.1", port),), kind="cluster")) == "strange"


def test_nobody_there(tmp_path: Path) -> None:
    """Where nobody listens the store is down, also where Sentinels should know it."""
    assert kind_of(Place(path=str(tmp_path / "none"))) == "down"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for kind in "", "cluster", "sentinel":
        assert kind_of(Place(hosts=(("127.0.0.1", port),), kind=kind, name="main")) == "down"
