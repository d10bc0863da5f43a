# SPDX-License-Identifier: ISC
"""Rows of the two lists."""

from typing import Final

import pytest

from filter_ban.cli.watch.lists import rounded

NUMBERS: Final = {
    0: "0",
    999: "999",
    1000: "1.0k",
    1999: "1.9k",
    12_345: "12k",
    999_999: "999k",
    3_400_000: "3.4M",
    10**12: "1000G",
}


@pytest.mark.parametrize(("number", "expected"), NUMBERS.items())
def test_rounded(number: int, expected: str) -> None:
    """Large numbers are told roughly, in five characters, and never too high."""
    assert rounded(number) == expected


def test_what_is_no_number() -> None:
    """It is shown as far as there is room."""
    assert rounded("\x1b[31mred") == "\\x1b["
