# SPDX-License-Identifier: ISC
"""Where a mail server is told to ask, compared with where we listen."""

import posixpath
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from filter_ban.config.values import Endpoint

_INET: Final = re.compile(r"inet:(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+)):([0-9]{1,5})")
_LOOPBACK: Final = ("127.0.0.1", "::1")
_ANY: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
HTTP_PORT: Final = 80


def postfix_endpoints(text: str, queue_directory: str, *, chrooted: bool) -> tuple[Endpoint, ...]:
    """
    Return every endpoint that *text* of a ``check_policy_service`` may mean; none for what is not understood.

    The path of a unix socket is relative to the queue directory, which is also the root of a smtpd in a chroot.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        path = path.lstrip("/") if chrooted else path
        return (Endpoint(path=posixpath.join(queue_directory, path)),)
    if found := _INET.fullmatch(text):
        return _tcp(found[1] or found[2], int(found[3]))
    return ()


def url_endpoints(url: str) -> tuple[Endpoint, ...]:
    """Return every endpoint that a URL may mean; none for what is no URL of HTTP."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ()
    return _tcp(host, port or HTTP_PORT) if parts.scheme == "http" else ()


def endpoint_served(asked: Iterable[Endpoint], listening: Iterable[Endpoint]) -> Endpoint | None:
    """Return the first of *asked* where a server that is *listening* hears; None where there is none."""
    listening = tuple(listening)
    return next((one for one in asked if any(_hears(other, one) for other in listening)), None)


def _tcp(host: str, port: int) -> tuple[Endpoint, ...]:
    hosts = _LOOPBACK if host == "localhost" else (host,)
    return tuple(Endpoint(host=host, port=port) for host in hosts)


def _hears(listening: Endpoint, asked: Endpoint) -> bool:
    if listening.path or asked.path:
        return listening.path == asked.path
    return listening.port == asked.port and listening.host in (asked.host, *_ANY)
