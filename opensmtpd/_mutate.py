# SPDX-License-Identifier: ISC
"""Damaged protocol lines for tests: the same seed gives the same lines."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final

_Mutation = Callable[[random.Random, bytearray], None]

_ODD_BYTES: Final = b"|\r\0\n \x1b\x85\xff:.0fz-"
_ODD_FIELDS: Final = (
    b"",
    b"report",
    b"filter",
    b"config",
    b"0.7",
    b"0.6",
    b"1.0",
    b"smtp-out",
    b"auth",
    b"f" * 16,
    b"|" * 9,
)
_OFTEN: Final = 0.9  # the rest makes lines that are too long


def mutations(lines: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """Yield endless variations of *lines* (with their newlines), each damaged in one to three places."""
    source = random.Random(seed)  # noqa: S311 - for tests, and must repeat
    while True:
        line = bytearray(source.choice(lines))
        for _ in range(source.randint(1, 3)):
            source.choice(_MUTATIONS)(source, line)
        yield bytes(line)


def _position(source: random.Random, line: bytearray) -> int:
    return source.randrange(len(line) + 1)


def _replace(source: random.Random, line: bytearray) -> None:
    at = _position(source, line)
    line[at : at + 1] = bytes((source.randrange(256),))


def _insert_odd(source: random.Random, line: bytearray) -> None:
    at = _position(source, line)
    line[at:at] = bytes((source.choice(_ODD_BYTES),))


def _delete(source: random.Random, line: bytearray) -> None:
    at = _position(source, line)
    del line[at : at + source.randint(1, 8)]


def _cut(source: random.Random, line: bytearray) -> None:
    del line[_position(source, line) :]
    line += b"\n"


def _repeat(source: random.Random, line: bytearray) -> None:
    line += bytes(line) if source.random() < _OFTEN else bytes(line[:40]) * source.randint(2, 2000)


def _change_field(source: random.Random, line: bytearray) -> None:
    fields = bytes(line).split(b"|")
    fields[source.randrange(len(fields))] = source.choice(_ODD_FIELDS)
    line[:] = b"|".join(fields)


def _drop_field(source: random.Random, line: bytearray) -> None:
    fields = bytes(line).split(b"|")
    del fields[source.randrange(len(fields))]
    line[:] = b"|".join(fields)


def _swap_fields(source: random.Random, line: bytearray) -> None:
    fields = bytes(line).split(b"|")
    one, other = source.randrange(len(fields)), source.randrange(len(fields))
    fields[one], fields[other] = fields[other], fields[one]
    line[:] = b"|".join(fields)


_MUTATIONS: Final[tuple[_Mutation, ...]] = (
    _replace,
    _insert_odd,
    _delete,
    _cut,
    _repeat,
    _change_field,
    _drop_field,
    _swap_fields,
)
