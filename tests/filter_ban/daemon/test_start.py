# SPDX-License-Identifier: ISC
"""The first message to an engine."""

import socket

import pytest

from filter_ban.channel import encode
from filter_ban.daemon.__main__ import receive_start


def test_what_follows_the_start_is_left_for_later() -> None:
    """A stop that came while the engine was starting is not lost, however long the configuration is."""
    start = {"config": "x" * 200_000}
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        ours.sendall(encode("start", start) + encode("stop"))

        assert receive_start(theirs) == start
        assert theirs.recv(100) == encode("stop")


@pytest.mark.parametrize(
    ("sent", "why"), [(b"", "left before"), (b'["sta', "left before"), (encode("stop"), "began with")]
)
def test_an_enforcer_that_says_something_else(sent: bytes, why: str) -> None:
    """The engine leaves and says why."""
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.sendall(sent)
        with pytest.raises(SystemExit, match=why):
            receive_start(theirs)
