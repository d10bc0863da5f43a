# SPDX-License-Identifier: ISC
"""Text of others for messages and logs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postfix_policy._text import EXCERPT_LENGTH, excerpt, excerpt_of_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a\nb", r"a\nb"),
        ("x" * 100, "x" * 100),
        ("x" * 101, "x" * 97 + "..."),
        ("ü", r"\xfc"),
    ],
)
def test_excerpt(text: str, expected: str) -> None:
    """Short printable text stays; other characters are escaped and the rest is cut."""
    assert excerpt(text) == expected


@settings(deadline=None)
@given(st.text())
def test_any_text_becomes_short_and_printable(text: str) -> None:
    """Any text gives printable ASCII within the bound."""
    shown = excerpt(text)
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) <= EXCERPT_LENGTH


@settings(deadline=None)
@given(st.binary())
def test_any_line_becomes_short_and_printable(line: bytes) -> None:
    """Any bytes give printable ASCII within the bound."""
    shown = excerpt_of_line(line)
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) <= EXCERPT_LENGTH
