# SPDX-License-Identifier: ISC
"""Reading recordings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.model import Kind
from filter_ban.recording import HEADER, Encoder
from filter_ban.replay.record import RecordReader, is_header
from filter_ban.signals import Signal

GOOD = '{"time":1763690000.25,"kind":"auth-fail","address":"192.0.2.7"}'
BAD = {
    "empty": "",
    "cut": GOOD[:-9],
    "header": HEADER.decode(),
    "no object": "[1]",
    "deep": "[" * 100_000,
    "no time": GOOD.replace("time", "tim"),
    "time is text": GOOD.replace("1763690000.25", '"now"'),
    "time is not finite": GOOD.replace("1763690000.25", "NaN"),
    "time is far away": GOOD.replace("1763690000.25", "1e99"),
    "unknown kind": GOOD.replace("auth-fail", "auth-maybe"),
    "no address": GOOD.replace("192.0.2.7", ""),
}


def test_good() -> None:
    """What is left out has the value that means nothing."""
    assert RecordReader().read(GOOD) == Signal(1_763_690_000.25, Kind.AUTH_FAIL, "192.0.2.7")


@pytest.mark.parametrize("line", BAD.values(), ids=BAD.keys())
def test_bad(line: str) -> None:
    """A line without a signal is no error."""
    assert RecordReader().read(line) is None


@given(st.text())
def test_any_line(line: str) -> None:
    """No line is an error."""
    RecordReader().read(line)
    is_header(line)


def test_header() -> None:
    """Only the version that can be read is a header."""
    assert is_header(HEADER.decode())
    assert not is_header(HEADER.decode().replace("1", "2"))
    assert not is_header(GOOD)


@given(
    st.floats(0, 2e9),
    st.sampled_from(Kind),
    st.text(min_size=1, max_size=50),
    st.text(max_size=50),
    st.integers(2, 0xFFFF_FFFF),
)
def test_round_trip(time_s: float, kind: Kind, address: str, service: str, secret: int) -> None:
    """What a recording holds comes back as it was; of the secret, only that it was visible."""
    line = Encoder(b"key").encode(Signal(time_s, kind, address, service, secret=secret))
    read = RecordReader().read(line.decode())
    assert read is not None
    assert (read.time_s, read.kind, read.address, read.service) == (time_s, kind, address, service)
    assert 1 < read.secret <= 0xFFFF_FFFF
