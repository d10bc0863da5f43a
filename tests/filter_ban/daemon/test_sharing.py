# SPDX-License-Identifier: ISC
"""What nodes of a cluster have in common, and what each has for itself."""

import asyncio
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import attrs
import pytest

from filter_ban.config.cluster import Cluster
from filter_ban.daemon.sharing import Sharing
from filter_ban.tags import heard_form
from tests.filter_ban.daemon.nodes import SECRETS, Node

BITS: Final = 12


def sharing(key: str = "k", bits: int = BITS) -> Sharing:
    """Return what a node has."""
    return Sharing(attrs.evolve(Cluster(), secret_bits=bits), {**SECRETS, "key": key})


def test_user_tags_are_those_of_the_cluster() -> None:
    """Where the key is the same; without it nobody knows whose they are."""
    tags = [sharing(key).users.of("anna") for key in ("k", "k", "another")]
    assert tags[0] == tags[1] != tags[2]


def test_some_bits_of_secret_tags_are_those_of_the_cluster() -> None:
    """As many as are told; the rest is each process's own."""
    one, other = sharing().secrets, sharing().secrets
    words = [f"secret {number}" for number in range(100)]
    mine, theirs = [one.of(word) for word in words], [other.of(word) for word in words]

    assert [heard_form(tag, BITS) for tag in mine] == [heard_form(tag, BITS) for tag in theirs]
    assert not set(mine) & set(theirs)
    assert {heard_form(tag, 0) for tag in mine} == {0}


@pytest.mark.parametrize(("host", "name"), [("mx7.example.org", "mx7"), ("mx8", "mx8"), ("x" * 70, "x" * 63)])
def test_the_name_of_a_node(host: str, name: str, tmp_path: Path) -> None:
    """It is the configured one, or the host's without its domain."""

    async def named() -> list[Any]:
        with patch("filter_ban.daemon.sharing.gethostname", return_value=host):
            nodes = [Node(tmp_path, configured) for configured in ("", "mx1")]
        return [node.cluster["node"] for node in nodes]

    assert asyncio.run(named()) == [name, "mx1"]
