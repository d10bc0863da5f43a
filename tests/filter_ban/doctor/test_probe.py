# SPDX-License-Identifier: ISC
"""Our listeners, asked."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from filter_ban.config.values import Endpoint
from filter_ban.doctor import probe
from filter_ban.doctor.health import Health
from filter_ban.doctor.probe import probe_auth_policy, probe_policy

POLICY = {
    "well": (b"action=DUNNO\n\n", Health()),
    "banned": (b"action=421 4.7.0 banned\n\n", Health()),
    "closed": (b"", False),
    "another server": (b"220 mx ESMTP\r\n\r\n", False),
}
HTTP = {
    "well": (b'HTTP/1.1 200 OK\r\n\r\n{"status":0,"msg":""}', ""),
    "banned": (b'HTTP/1.1 200 OK\r\n\r\n{"status":-1}', ""),
    "another server": (b"HTTP/1.1 200 OK\r\n\r\nhello", "it answers 200 without a status as JSON"),
    "not found": (b"HTTP/1.1 404 Not Found\r\n\r\n[]", "it answers 404 without"),
    "another secret": (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "it wants another secret"),
    "no HTTP": (b"220 mx ESMTP\r\n", "it does not speak HTTP"),
    "closed": (b"", "it does not speak HTTP"),
}
Serve = Callable[[bytes], tuple[Endpoint, list[bytes]]]


@pytest.fixture(params=["tcp", "unix"])
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serve]:
    """Provide a server that answers one request with what it is told; it notes the request."""
    listeners = []

    def start(answer: bytes) -> tuple[Endpoint, list[bytes]]:
        requests: list[bytes] = []
        if request.param == "unix":
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(tmp_path / "s"))
            listener.listen()
            endpoint = Endpoint(path=str(tmp_path / "s"))
        else:
            listener = socket.create_server(("127.0.0.1", 0))
            endpoint = Endpoint(host="127.0.0.1", port=listener.getsockname()[1])
        listeners.append(listener)

        def answer_one() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    data = connection.recv(65_536)
                    while b"\r\n\r\n{" not in data and not data.endswith(b"\n\n"):
                        data += connection.recv(65_536)
                    requests.append(data)
                    connection.sendall(answer)

        threading.Thread(target=answer_one, daemon=True).start()
        return endpoint, requests

    yield start
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize(("answer", "expected"), POLICY.values(), ids=POLICY.keys())
def test_policy(serve: Serve, answer: bytes, expected: Health | bool) -> None:
    """A policy service is well if it answers with an action."""
    endpoint, requests = serve(answer)
    health = probe_policy(endpoint)
    assert b"protocol_state=CONNECT\n" in requests[0]
    assert b"client_address=192.0.2.1\n" in requests[0]
    if isinstance(expected, Health):
        assert health == expected
    else:
        assert health.answered
        assert health.problem.startswith("it does not speak the policy protocol: ")


@pytest.mark.parametrize(("answer", "problem"), HTTP.values(), ids=HTTP.keys())
def test_auth_policy(serve: Serve, answer: bytes, problem: str) -> None:
    """An auth policy server is well if it answers with a status; the secret goes with the question."""
    endpoint, requests = serve(answer)
    health = probe_auth_policy(endpoint, "secret")
    assert b"POST /?command=allow HTTP/1.1\r\n" in requests[0]
    assert b"X-API-Key: secret\r\n" in requests[0]
    assert health.answered
    assert health.problem.startswith(problem)
    assert bool(health.problem) == bool(problem)


@pytest.mark.parametrize("ask", [probe_policy, lambda endpoint: probe_auth_policy(endpoint, "")])
def test_nobody(ask: Callable[[Endpoint], Health], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody listens, or nobody answers, the endpoint is down."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setattr(probe, "TIMEOUT_S", 0.05)
        assert ask(Endpoint(host="127.0.0.1", port=port)) == Health("no answer within 0.05 s", answered=False)
    assert ask(Endpoint(host="127.0.0.1", port=port)) == Health("connection refused", answered=False)
    assert ask(Endpoint(path=str(tmp_path / "none"))) == Health("no such file or directory", answered=False)
