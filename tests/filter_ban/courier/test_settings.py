# SPDX-License-Identifier: ISC
"""What a courier is told."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.courier.settings import Settings
from tests.filter_ban.courier.node import settings

NUMBERS = st.integers(0, 2**53)


@given(
    st.dictionaries(st.integers(0, 63), st.text(max_size=20)),
    st.dictionaries(
        st.integers(0, 63), st.dictionaries(st.text(max_size=20), st.tuples(NUMBERS, NUMBERS), max_size=3)
    ),
    st.dictionaries(st.integers(0, 9), st.text(max_size=20)),
)
def test_facts(
    positions: dict[int, str], heard: dict[int, dict[str, tuple[int, int]]], epochs: dict[int, str]
) -> None:
    """What is told as JSON is what was meant."""
    told = settings("redis://a", "redis://b", positions=positions, heard=heard, epochs=epochs)
    assert Settings.from_facts(json.loads(json.dumps(told.to_facts()))) == told


@pytest.mark.parametrize(
    ("role", "publishes", "listens", "composes"),
    [("full", True, True, True), ("listen-only", False, True, False), ("publish-only", True, False, False)],
)
def test_roles(role: str, *, publishes: bool, listens: bool, composes: bool) -> None:
    """Only a node that does both, and believes in bans, writes snapshots."""
    told = settings("redis://a", role=role)
    assert (told.publishes, told.listens, told.composes) == (publishes, listens, composes)
    assert not settings("redis://a", role=role, trusts_bans=False).composes


def test_shards_on_stores() -> None:
    """Shards are dealt out to the stores in turn."""
    told = settings("redis://a", "redis://b", shards=5)
    assert [list(told.shards_on(store)) for store in (0, 1)] == [[0, 2, 4], [1, 3]]


def test_secrets_are_not_shown() -> None:
    """Whoever prints the settings shows no secret."""
    names = ("key", "password", "ca", "certificate", "certificate_key", "sentinel_password")
    secrets = {name: f"the-{name}" for name in names}
    shown = repr(settings("redis://a", **secrets))
    assert not any(secret in shown for secret in secrets.values())
