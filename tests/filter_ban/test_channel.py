# SPDX-License-Identifier: ISC
"""The messages between engine and enforcer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban import channel
from filter_ban.channel import MessageReader, encode

MESSAGES = st.lists(
    st.tuples(st.text(max_size=5), st.none() | st.integers() | st.lists(st.text(max_size=9))), max_size=8
)


@given(MESSAGES, st.lists(st.integers(1, 40), max_size=40))
def test_messages_survive_any_cut(messages: list[tuple[str, Any]], sizes: list[int]) -> None:
    """However the stream is cut, the same messages come out, each as soon as its line ends."""
    stream = b"".join(encode(*message) for message in messages)
    reader, read = MessageReader(), []
    for size in [*sizes, len(stream) + 1]:
        piece, stream = stream[:size], stream[size:]
        read += reader.receive_data(piece)

    assert read == messages


@pytest.mark.parametrize("line", [b"nonsense\n", b"[1, 2]\n", b'["stop"]\n', b'{"a": 1}\n'])
def test_what_is_no_message(line: bytes) -> None:
    """The stream is beyond repair."""
    with pytest.raises(ValueError, match=r"."):
        MessageReader().receive_data(line)


def test_a_line_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that does not end is not collected for ever."""
    monkeypatch.setattr(channel, "MAX_LINE", 100)
    reader = MessageReader()
    reader.receive_data(b"x" * 99)
    with pytest.raises(ValueError, match="longer than 100"):
        reader.receive_data(b"xx")
