# SPDX-License-Identifier: ISC
"""What tests of the doctor share."""

from pathlib import Path

import pytest

from tests.filter_ban.doctor.cluster_node import write_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files of a node."""
    write_files(tmp_path)
    return tmp_path
