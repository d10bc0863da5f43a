# SPDX-License-Identifier: ISC
"""The secret that Dovecot must send: read as root, and named exactly when it cannot be."""

from pathlib import Path

import pytest

from filter_ban.config import ConfigError
from filter_ban.enforcer.main import read_secret


def test_the_secret_is_one_line(tmp_path: Path) -> None:
    """The line's end does not belong to it."""
    file = tmp_path / "secret"
    file.write_text("correct horse\n")

    assert read_secret(file, "/etc/filter-ban.toml") == "correct horse"
    assert read_secret(None, "/etc/filter-ban.toml") == ""


@pytest.mark.parametrize("content", [None, b"", b"\n", b"two\nlines", b"\xff\xfe", b"x" * 201])
def test_a_secret_that_cannot_be_used_is_a_fault(tmp_path: Path, content: bytes | None) -> None:
    """File, key and rule are named, the content is not."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_secret(file, "/etc/filter-ban.toml")

    assert str(caught.value).startswith(f"/etc/filter-ban.toml: dovecot.secret_file = '{file}': ")
    assert "lines" not in str(caught.value)
