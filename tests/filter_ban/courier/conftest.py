# SPDX-License-Identifier: ISC
"""A store, and couriers."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.filter_ban.courier.node import Nodes, nodes
from tests.filter_ban.courier.redis_server import RedisServer, serving


@pytest.fixture
def folder() -> Iterator[Path]:
    """Provide a folder whose name is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="fb-") as name:
        yield Path(name)


@pytest.fixture
def store(folder: Path) -> Iterator[RedisServer]:
    """Provide a server."""
    with serving(folder / "store") as server:
        yield server


@pytest.fixture
def couriers() -> Iterator[Nodes]:
    """Provide couriers."""
    with nodes() as started:
        yield started
