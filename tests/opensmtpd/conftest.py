# SPDX-License-Identifier: ISC
"""What the tests of the filter protocol share."""

import random
from collections.abc import Callable, Iterator

import pytest

from opensmtpd import Event, FilterProtocol

Feeder = Callable[[bytes], Iterator[tuple[str, list[Event]]]]


def _pieces(wire: bytes, source: random.Random) -> Iterator[bytes]:
    start = 0
    while start < len(wire):
        size = source.choice((1, 2, 7, 60, 500, 4096))
        yield wire[start : start + size]
        start += size


@pytest.fixture
def every_cut() -> Feeder:
    """Return a function that yields the events of a stream, cut in several ways, each with its name."""

    def cut(wire: bytes) -> Iterator[tuple[str, list[Event]]]:
        whole = FilterProtocol()
        yield "whole", whole.receive_data(wire)
        single = FilterProtocol()
        yield "byte by byte", [event for byte in wire for event in single.receive_data(bytes((byte,)))]
        for seed in range(3):
            random_cuts = FilterProtocol()
            pieces = _pieces(wire, random.Random(seed))
            yield (
                f"random cuts {seed}",
                [event for piece in pieces for event in random_cuts.receive_data(piece)],
            )

    return cut
