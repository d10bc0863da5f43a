# SPDX-License-Identifier: ISC
"""Which HELO names are those of bots."""

import pytest

from filter_ban.helo import is_bad

BAD = frozenset({"ylmf-pc", "User"})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ylmf-pc", True),
        ("User", True),
        ("user", False),
        ("YLMF-PC", False),
        ("User.example.org", False),
        (" User", False),
        ("[192.0.2.7]", False),
        ("DESKTOP-4F5J2", False),
        ("", False),
    ],
)
def test_is_bad(name: str, expected: bool) -> None:
    """A name is bad if it is one of those configured, letter for letter."""
    assert is_bad(name, BAD) is expected
