# SPDX-License-Identifier: ISC
"""
A hook that is a URL: the document as the body of a POST.

Source: RFC 9110, 15.3: 2xx is success. Redirects are not followed: they would turn the POST into a GET, or send the ban
to others than it was meant for. Proxies of the environment are not asked.
"""

import base64
import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from filter_ban import __version__
from filter_ban.text import excerpt

PAUSE_S: Final = 1.0  # before the second try
_EXCERPT_BYTES: Final = 200  # of an answer that is none of success
_CONNECTIONS: Final = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}


def post(url: str, document: dict[str, Any], timeout_s: float) -> str:
    """
    Post *document* to *url*, twice if need be; return what went wrong, empty if nothing did.

    Args:
        url: ``http://`` or ``https://``, perhaps with user and password.
        document: What to post.
        timeout_s: For each try, from the connection to the answer.

    """
    problem = _try(url, document, timeout_s)
    if problem:
        time.sleep(PAUSE_S)
        problem = _try(url, document, timeout_s)
    return problem


def _try(url: str, document: dict[str, Any], timeout_s: float) -> str:
    deadline_s = time.monotonic() + timeout_s
    try:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = _CONNECTIONS[parts.scheme](parts.hostname or "", parts.port, timeout=timeout_s)
        with contextlib.closing(connection):
            connection.connect()
            with _end_at(deadline_s, connection.sock):
                connection.request(
                    "POST", path, json.dumps(document), _headers(parts.username, parts.password)
                )
                answer = connection.getresponse()
                body = b"" if 200 <= answer.status < 300 else answer.read(_EXCERPT_BYTES)  # noqa: PLR2004 - RFC 9110
    except (OSError, ValueError, http.client.HTTPException) as error:
        if time.monotonic() >= deadline_s:
            return f"no answer within {timeout_s:g} s"
        return excerpt(str(error) or type(error).__name__)
    if 200 <= answer.status < 300:  # noqa: PLR2004 - as above
        return ""
    told = f"{answer.status} {answer.reason}: {body.decode(errors='backslashreplace')}"
    return f"answered {excerpt(told, _EXCERPT_BYTES)}"


def _headers(user: str | None, password: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": f"filter-ban/{__version__}"}
    if user is not None:
        secret = f"{unquote(user)}:{unquote(password or '')}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(secret).decode()}"
    return headers


@contextlib.contextmanager
def _end_at(deadline_s: float, sock: socket.socket) -> Iterator[None]:
    """Hang up at *deadline_s*: a server that sends a byte now and then would keep us for ever."""
    timer = threading.Timer(max(0.0, deadline_s - time.monotonic()), _hang_up, [sock])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
