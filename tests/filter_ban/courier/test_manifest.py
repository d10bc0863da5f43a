# SPDX-License-Identifier: ISC
"""What a snapshot consists of."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.cluster.keys import ClusterKeys
from filter_ban.courier.inspection import seal
from filter_ban.courier.manifest import Manifest, place_of, read_manifest

KEYS = ClusterKeys(b"ours")
NAME = "fb:{0}:snapshot"
GOOD = {"generation": "0123456789abcdef", "chunks": 3, "node": "mx1", "made_s": 1700000000}


@given(st.integers(0, 100_000), st.integers(0, 2**40))
def test_round_trip(chunks: int, made_s: int) -> None:
    """What is sealed is read."""
    manifest = Manifest(generation="0123456789abcdef", chunks=chunks, node="mx1", made_s=made_s)
    assert read_manifest(KEYS, NAME, manifest.seal(KEYS, NAME)) == manifest


@pytest.mark.parametrize(
    "changes", [{"generation": "../x"}, {"chunks": -1}, {"chunks": 10**9}, {"chunks": "3"}, {"made_s": None}]
)
def test_malformed(changes: dict[str, object]) -> None:
    """One that cannot be is none."""
    sealed = seal(KEYS, f"{NAME}/manifest", json.dumps({**GOOD, **changes}).encode())
    assert read_manifest(KEYS, NAME, sealed) is None


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b"{", b"[" * 100_000, b"\xff"])
def test_sealed_rubbish(text: bytes) -> None:
    """Whatever a node seals, nothing is raised."""
    assert read_manifest(KEYS, NAME, seal(KEYS, f"{NAME}/manifest", text)) is None


def test_another_shard() -> None:
    """The manifest of one shard is none of another, and chunks have their places."""
    sealed = Manifest(generation="0123456789abcdef", chunks=1, node="mx1", made_s=1).seal(KEYS, NAME)
    assert read_manifest(KEYS, "fb:{1}:snapshot", sealed) is None
    assert read_manifest(ClusterKeys(b"others"), NAME, sealed) is None
    assert place_of(NAME, "aa", 1) != place_of(NAME, "aa", 11)
