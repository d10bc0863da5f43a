# SPDX-License-Identifier: ISC
"""Mail servers in a folder."""

from pathlib import Path

import pytest

from tests.filter_ban.setup.servers import FakeDovecot, FakePostfix


@pytest.fixture
def postfix(tmp_path: Path) -> FakePostfix:
    """Return a Postfix with Debian's master.cf."""
    folder = tmp_path / "postfix"
    folder.mkdir()
    return FakePostfix(folder)


@pytest.fixture(params=["2.3.19.1", "2.4.1-4"])
def dovecot(request: pytest.FixtureRequest, tmp_path: Path, postfix: FakePostfix) -> FakeDovecot:
    """Return a Dovecot of either series with Debian's dovecot.conf, beside that Postfix."""
    folder = tmp_path / "dovecot"
    folder.mkdir()
    return FakeDovecot(folder, request.param, postfix)
