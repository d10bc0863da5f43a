# SPDX-License-Identifier: ISC
"""Programs of the mail servers."""

import pytest

from filter_ban.firewall.runner import Runner
from filter_ban.setup.programs import MissingProgramError, ProgramError, output


def test_output() -> None:
    """What a program prints is returned, with bytes that are no UTF-8 as escapes."""
    assert output(["printf", r"a\n\377"]) == "a\n\\xff"


def test_failure() -> None:
    """A status other than 0 is an error that names program and status."""
    with pytest.raises(ProgramError, match=r"^ls \(status 2\): .*/nonexistent"):
        output(["ls", "/nonexistent"])


def test_missing() -> None:
    """A program that is not installed is told apart from one that fails."""
    with pytest.raises(MissingProgramError, match=r"^filter-ban-nonexistent: not found in "):
        output(["filter-ban-nonexistent"])


def test_too_much() -> None:
    """A program that prints without end is ended."""
    with pytest.raises(ProgramError, match="more than 1000 bytes"):
        output(["cat", "/dev/zero"], runner=Runner(max_output_bytes=1000))
