# SPDX-License-Identifier: ISC
"""Bytes into lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.relay.lines import Lines

CASES = {
    "two lines": (b"a\nb\n", [b"a", b"b"]),
    "unfinished": (b"a\nb", [b"a"]),
    "blank": (b"\n\n", [b"", b""]),
    "no other line ends": (
        b"\r\x0b\x0c\x1c\x85\x00\n\xe2\x80\xa8\n",
        [b"\r\x0b\x0c\x1c\x85\x00", b"\xe2\x80\xa8"],
    ),
    "just short enough": (b"12345678\nx\n", [b"12345678", b"x"]),
    "too long": (b"123456789\nx\n", [b"x"]),
    "far too long": (b"1" * 50 + b"\nx\n", [b"x"]),
}


@pytest.mark.parametrize("cut", [1, 3, 4096])
@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES.keys())
def test_only_lf_ends_a_line(data: bytes, expected: list[bytes], cut: int) -> None:
    """However the bytes are cut, each line ends at LF only, and one of more than the limit is dropped."""
    lines = Lines(max_bytes=8)
    got = [line for at in range(0, len(data), cut) for line in lines.feed(data[at : at + cut])]
    assert got == expected


def test_too_long_is_counted() -> None:
    """An over-long line is counted once, whether it came whole or in pieces."""
    lines = Lines(max_bytes=4)
    for piece in (b"12345", b"6789", b"\nab\n", b"12345\n"):
        lines.feed(piece)
    assert lines.too_long == 2


@given(st.lists(st.binary(max_size=12)))
def test_any_cut_gives_the_same_lines(pieces: list[bytes]) -> None:
    """A stream in pieces gives the lines of the whole."""
    lines = Lines(max_bytes=8)
    got = [line for piece in pieces for line in lines.feed(piece)]
    assert got == [line for line in b"".join(pieces).split(b"\n")[:-1] if len(line) <= 8]
