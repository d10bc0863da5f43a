# SPDX-License-Identifier: ISC
"""Our listeners as the mail servers on this machine must name them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import attrs

from filter_ban.config.values import Endpoint

_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not listened on


def nearest(listen: Iterable[Endpoint]) -> Endpoint | None:
    """Return the listener to connect to: a TCP port if there is one; where it is open on all addresses, on loopback."""
    found = min(listen, key=lambda endpoint: bool(endpoint.path), default=None)
    return found and attrs.evolve(found, host=_ANY.get(found.host, found.host))


def for_postfix(endpoint: Endpoint, queue_directory: Path) -> str:
    """Return an endpoint as a policy service names it: a socket in the queue directory so that a chroot finds it too."""
    if not endpoint.path:
        return f"inet:{endpoint}"
    path = Path(endpoint.path)
    if path.is_relative_to(queue_directory):
        return f"unix:{path.relative_to(queue_directory)}"
    return f"unix:{path}"
