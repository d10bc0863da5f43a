# SPDX-License-Identifier: ISC
"""A web server on loopback that remembers what is posted to it."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver(ThreadingHTTPServer):
    """Answers each POST with the next of ``statuses``, the last one again and again."""

    daemon_threads = True

    def __init__(self) -> None:
        self.statuses = [204]
        self.posted: list[tuple[str, dict[str, str], Any]] = []  # path, headers, document
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.path, dict(self.headers), json.loads(body)))
        statuses = self.server.statuses
        status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        self.send_response(status)
        if status // 100 == 3:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.send_header("Content-Length", "8")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(b"no\x1b[31m!")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """Provide a web server."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
