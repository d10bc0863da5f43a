# SPDX-License-Identifier: ISC
"""What is believed of an entry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.cluster.keys import ClusterKeys
from filter_ban.cluster.message import MAX_BYTES
from filter_ban.courier.inspection import Finding, Inspector, seal, unseal
from filter_ban.courier.sequences import Sequences
from tests.filter_ban.courier.node import message

STREAM = "fb:{0}:stream"
KEYS = ClusterKeys(b"ours")
OTHERS = ClusterKeys(b"others")


def inspect(fields: dict[bytes, bytes]) -> Finding:
    """Return what an entry is to mx1, which was started at 1000 and has heard mx2 up to 5."""
    sequences = Sequences({"mx2": (1000, 5)})
    return Inspector(STREAM, KEYS, "mx1", 1000, sequences).inspect(fields)[0]


def entry(text: bytes, place: str = STREAM, keys: ClusterKeys = KEYS) -> dict[bytes, bytes]:
    """Return the fields of an entry."""
    return {b"m": text, b"t": keys.seal(place, text)}


@pytest.mark.parametrize(
    ("fields", "finding"),
    [
        (entry(message("mx2", 6)), Finding.NEWS),
        (entry(message("mx1", 6, started=999)), Finding.NEWS),
        (entry(message("mx1", 6)), Finding.OWN),
        (entry(message("mx1", 6, started=1001)), Finding.SAME_NAME),
        (entry(message("mx2", 5)), Finding.REPLAYED),
        (entry(message("mx2", 6), keys=OTHERS), Finding.FORGED),
        (entry(message("mx2", 6), "fb:{1}:stream"), Finding.FORGED),
        (entry(message("mx2", 6)) | {b"m": message("mx2", 7)}, Finding.FORGED),
        ({b"m": message("mx2", 6)}, Finding.FORGED),
        ({b"m": message("mx2", 6), b"t": b""}, Finding.FORGED),
        ({}, Finding.FORGED),
        (entry(b""), Finding.MALFORMED),
        (entry(b"\xff\xfe"), Finding.MALFORMED),
        (entry(b"[]\n[]"), Finding.MALFORMED),
        (entry(b"[" * 100_000), Finding.MALFORMED),
        (entry(message("", 6)), Finding.MALFORMED),
        (entry(message("x" * 64, 6)), Finding.MALFORMED),
        (entry(message("mx2", 0)), Finding.MALFORMED),
        (entry(message("mx2", 6, 0)), Finding.MALFORMED),
        (entry(message("mx2", 6, 501)), Finding.MALFORMED),
        (entry(message("mx2", 6, offset_s=float("nan"))), Finding.MALFORMED),
        (entry(message("mx2", 6) + b" " * MAX_BYTES), Finding.MALFORMED),
    ],
)
def test_inspect(fields: dict[bytes, bytes], finding: Finding) -> None:
    """Each kind of entry is told from the others."""
    assert inspect(fields) is finding


def test_nobody_starts_in_the_future() -> None:
    """Who claims to be started a day after the entry was added would silence that node from then on."""
    day_ms, added_ms = 86_400_000, 1_700_000_000_000
    for started, finding in ((added_ms + day_ms, Finding.NEWS), (added_ms + day_ms + 1, Finding.MALFORMED)):
        inspector = Inspector(STREAM, KEYS, "mx1", 1000, Sequences(None))
        assert inspector.inspect(entry(message("mx2", 1, started=started)), added_ms)[0] is finding


@given(st.binary(max_size=300))
def test_sealed_rubbish(text: bytes) -> None:
    """Whatever a node seals, an inspection has a result."""
    assert inspect(entry(text)) in Finding


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_seal(text: bytes, other: bytes) -> None:
    """What is sealed for a place is found there and nowhere else, and nothing else is."""
    assert unseal(KEYS, "a", seal(KEYS, "a", text)) == text
    assert unseal(KEYS, "b", seal(KEYS, "a", text)) is None
    assert unseal(OTHERS, "a", seal(KEYS, "a", text)) is None
    assert unseal(KEYS, "a", other) is None
