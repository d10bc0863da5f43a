# SPDX-License-Identifier: ISC
"""Messages say who speaks and what; anything else is refused with ValueError."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.cluster.message import Header, pack, read_header, read_notices, with_offset

HEADER = Header(node="mx1", started=17, first=5, count=2, offset_s=-0.25, dropped=3)


def test_a_message_is_read_as_it_was_written() -> None:
    """Header and notices come back; the last notice's number follows from first and count."""
    message = pack(HEADER, [["lift", "192.0.2.7", 1.5, ""], ["disallow", "192.0.2.0/24", 2]])
    assert read_header(message) == HEADER
    assert read_header(message).last == 6
    assert read_notices(message) == [["lift", "192.0.2.7", 1.5, ""], ["disallow", "192.0.2.0/24", 2]]


def test_the_offset_is_put_in_later() -> None:
    """With another offset a message is what it would have been, had it been known."""
    notices = [["lift", "192.0.2.7", 1.5, ""]]
    assert with_offset(pack(HEADER, notices), 240) == pack(attrs.evolve(HEADER, offset_s=240.0), notices)


def test_nobody_can_put_a_second_header_in() -> None:
    """A text with a line's end in it stays in its place."""
    message = pack(HEADER, [["lift", "192.0.2.7", 1.5, 'x\n{"node":"mx9"}']])
    assert read_header(message).node == "mx1"
    assert read_notices(message)[0][3] == 'x\n{"node":"mx9"}'


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\n",
        b"{}\n[]",
        b"[]\n[]",
        b'{"node":1,"started":1,"first":1,"count":1,"offset":0,"dropped":0}\n[]',
        b'{"node":"a b","started":1,"first":1,"count":1,"offset":0,"dropped":0}\n[]',
        b'{"node":"-","started":1,"first":1,"count":1,"offset":0,"dropped":0}\n[]',
        b'{"node":"a","started":true,"first":1,"count":1,"offset":0,"dropped":0}\n[]',
        b'{"node":"a","started":1,"first":"1","count":1,"offset":0,"dropped":0}\n[]',
        b'{"node":"a","started":1,"first":1,"count":1,"offset":null,"dropped":0}\n[]',
        b'{"node":"a","started":1,"first":1,"count":1,"dropped":0}\n[]',
    ],
)
def test_what_is_no_header_is_refused(message: bytes) -> None:
    """A header with a part missing or of the wrong kind is none."""
    with pytest.raises(ValueError):  # noqa: PT011 - json's text is not ours
        read_header(message)


@pytest.mark.parametrize("message", [b"", b"{}\n", b"{}\n{}", b"{}\n1", b"{}\n[", b"{}\n\xff"])
def test_what_is_no_array_of_notices_is_refused(message: bytes) -> None:
    """Notices are an array."""
    with pytest.raises(ValueError):  # noqa: PT011 - json's text is not ours
        read_notices(message)


@given(st.binary(max_size=300))
def test_garbage_raises_nothing_else(garbage: bytes) -> None:
    """Whatever the bytes are: a message, or ValueError."""
    for read in (read_header, read_notices):
        try:
            read(garbage)
        except ValueError:
            continue
