# SPDX-License-Identifier: ISC
"""Our listeners as others name them."""

from pathlib import Path

import pytest

from filter_ban.config.values import parse_endpoint
from filter_ban.setup.endpoints import for_postfix, nearest

NEAREST = {
    "one": (["127.0.0.1:10040"], "127.0.0.1:10040"),
    "TCP goes before unix": (["unix:/run/x", "[::1]:1"], "[::1]:1"),
    "unix alone": (["unix:/run/x"], "unix:/run/x"),
    "all addresses": (["0.0.0.0:1"], "127.0.0.1:1"),
    "all addresses, IPv6": (["[::]:1"], "[::1]:1"),
}
NAMES = {
    "TCP": ("127.0.0.1:10040", "inet:127.0.0.1:10040"),
    "IPv6": ("[::1]:10040", "inet:[::1]:10040"),
    "in the queue directory": ("unix:/var/spool/postfix/private/ban", "unix:private/ban"),
    "elsewhere": ("unix:/run/ban", "unix:/run/ban"),
}


@pytest.mark.parametrize(("listen", "expected"), NEAREST.values(), ids=NEAREST.keys())
def test_nearest(listen: list[str], expected: str) -> None:
    """A TCP listener is preferred, and one on all addresses is reached on loopback."""
    assert str(nearest(map(parse_endpoint, listen))) == expected


def test_none() -> None:
    """Who does not listen has no endpoint."""
    assert nearest(()) is None


@pytest.mark.parametrize(("endpoint", "expected"), NAMES.values(), ids=NAMES.keys())
def test_for_postfix(endpoint: str, expected: str) -> None:
    """A socket in the queue directory is named as a service in a chroot finds it."""
    assert for_postfix(parse_endpoint(endpoint), Path("/var/spool/postfix")) == expected
