# SPDX-License-Identifier: ISC
"""Hooks that are URLs."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from filter_ban.hooks import webhook
from tests.filter_ban.daemon.process import WAIT_S, free_port
from tests.filter_ban.hooks.receiver import Receiver, receiving

DOCUMENT = {"event": "ban", "reason": "\r\n\x1b '"}


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(webhook, "PAUSE_S", 0.0)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Provide a web server."""
    with receiving() as server:
        yield server


def test_post(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The document is posted as JSON, straight to where it is to go."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert webhook.post(f"{receiver.url}/a?b=c", DOCUMENT, WAIT_S) == ""
    ((path, headers, document),) = receiver.posted
    assert (path, document) == ("/a?b=c", DOCUMENT)
    assert headers["Content-Type"] == "application/json"
    assert "Authorization" not in headers


def test_password(receiver: Receiver) -> None:
    """User and password of the URL are sent as RFC 7617 has it."""
    webhook.post(receiver.url.replace("//", "//a:b%40@"), DOCUMENT, WAIT_S)

    assert receiver.posted[0][1]["Authorization"] == "Basic YTpiQA=="


def test_second_try(receiver: Receiver) -> None:
    """What fails is tried once more."""
    receiver.statuses = [503, 200]

    assert webhook.post(receiver.url, DOCUMENT, WAIT_S) == ""
    assert len(receiver.posted) == 2


@pytest.mark.parametrize("status", [301, 307, 404, 500])
def test_refused(receiver: Receiver, status: int) -> None:
    """Nothing but 2xx is success; redirects are not followed; the answer is told in words that do no harm."""
    receiver.statuses = [status]
    problem = webhook.post(receiver.url, DOCUMENT, WAIT_S)

    assert problem.startswith(f"answered {status} ")
    assert problem.endswith(": no\\x1b[31m!")
    assert [path for path, _, _ in receiver.posted] == ["/", "/"]


def test_nobody_there() -> None:
    """A server that is not there is told."""
    assert "refused" in webhook.post(f"http://127.0.0.1:{free_port()}/", DOCUMENT, WAIT_S)


def test_silence() -> None:
    """A server that says nothing is left in time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert webhook.post(url, DOCUMENT, 0.2) == "no answer within 0.2 s"


def test_drip() -> None:
    """A server that says a little now and then, and never comes to an end, is left in time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=[listener])
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert webhook.post(url, DOCUMENT, 0.5) == "no answer within 0.5 s"
        thread.join()


def drip(listener: socket.socket) -> None:
    """Send a status line byte by byte to two clients, until they are tired of it."""
    for _ in range(2):
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            while True:
                connection.sendall(b"x")
                time.sleep(0.05)


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://x:99999999/", "http://a\x00b/"])
def test_impossible_urls(url: str) -> None:
    """A URL that cannot be is a problem, and no exception."""
    assert webhook.post(url, DOCUMENT, 0.5).isprintable()
    assert webhook.post(url, DOCUMENT, 0.5) != ""
