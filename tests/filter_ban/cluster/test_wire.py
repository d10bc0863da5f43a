# SPDX-License-Identifier: ISC
"""Frames between engine and courier survive every cut of the stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.cluster.wire import Frame, FrameReader, encode

FRAMES: list[Frame] = [
    ("start", {"node": "mx1", "positions": {"0": "1-0"}}, b""),
    ("heard", {"shard": 3, "id": "17-2"}, b'{"node":"mx2"}\n[["lift"]]'),
    ("folded", {}, b"\n\n[1]\n"),
]
STREAM = b"".join(encode(*frame) for frame in FRAMES)


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_every_cut_gives_the_same_frames(at: int) -> None:
    """Wherever the bytes are cut, the frames are the same, and each comes as soon as it is whole."""
    reader = FrameReader()
    assert reader.receive_data(STREAM[:at]) + reader.receive_data(STREAM[at:]) == FRAMES


def test_single_bytes_are_enough() -> None:
    """Frames that come byte by byte are the same."""
    reader = FrameReader()
    assert [frame for byte in STREAM for frame in reader.receive_data(bytes([byte]))] == FRAMES


@given(st.lists(st.tuples(st.text(), st.dictionaries(st.text(), st.integers()), st.binary(max_size=200))))
def test_whatever_is_sent_is_read(frames: list[Frame]) -> None:
    """Verbs, facts and payloads of any content arrive as they were."""
    reader = FrameReader()
    assert reader.receive_data(b"".join(encode(*frame) for frame in frames)) == frames


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"{}\n",
        b"[]\n",
        b'["verb",{},-1]\n',
        b'["verb",[],0]\n',
        b"[1,{},0]\n",
        b'["verb",{},99999999999]\n',
        b'["verb",{},"1"]\n',
    ],
)
def test_what_is_no_frame_is_refused(line: bytes) -> None:
    """A stream that is not of frames raises ValueError and does not grow in memory."""
    with pytest.raises(ValueError):  # noqa: PT011 - json's text is not ours
        FrameReader().receive_data(line)


def test_a_line_without_end_is_refused() -> None:
    """Bytes without a line's end are refused when they are longer than any frame."""
    reader = FrameReader()
    reader.receive_data(b"x" * (4 << 20))
    with pytest.raises(ValueError, match="no frame"):
        reader.receive_data(b"x")
