# SPDX-License-Identifier: ISC
"""Fixtures of the tests that run the real daemon."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.filter_ban.daemon.process import Daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Yield a daemon that is not started yet; end it by its process ids."""
    made = Daemon(tmp_path)
    try:
        yield made
    finally:
        with contextlib.suppress(OSError, IndexError):
            made.kill()
        made.peers.close()
