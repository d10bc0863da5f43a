# SPDX-License-Identifier: ISC
"""What the tests of the policy protocol share."""

import random
from collections.abc import Callable, Iterator

import pytest

from postfix_policy import Dunno, Limits, PolicyConnection, PolicyRequest, RemoteProtocolError

Read = tuple[list[PolicyRequest], str]
Feeder = Callable[..., Iterator[tuple[str, Read]]]


def _read(pieces: Iterator[bytes], limits: Limits | None) -> Read:
    """Return the requests of a stream and, if it ends in trouble, what the matter is."""
    connection = PolicyConnection(limits)
    requests: list[PolicyRequest] = []
    try:
        for piece in pieces:
            for request in connection.receive_data(piece):
                requests.append(request)
                connection.encode_action(request, Dunno())
    except RemoteProtocolError as error:
        return requests, str(error)
    return requests, ""


def _pieces(wire: bytes, source: random.Random) -> Iterator[bytes]:
    start = 0
    while start < len(wire):
        size = source.choice((1, 2, 7, 60, 500, 4096))
        yield wire[start : start + size]
        start += size


@pytest.fixture
def every_cut() -> Feeder:
    """Return a function that reads a stream, cut in several ways, and yields what was read, each with its name."""

    def cut(wire: bytes, limits: Limits | None = None) -> Iterator[tuple[str, Read]]:
        yield "whole", _read(iter([wire]), limits)
        yield "byte by byte", _read((wire[at : at + 1] for at in range(len(wire))), limits)
        for seed in range(3):
            yield f"random cuts {seed}", _read(_pieces(wire, random.Random(seed)), limits)

    return cut
