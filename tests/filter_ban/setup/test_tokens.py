# SPDX-License-Identifier: ISC
"""Text cut at separators."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.setup.tokens import parse_tokens

CASES = {
    "nothing": ("", []),
    "blanks": (" \t\n", []),
    "words": (" a  b\tc\n", ["a", "b", "c"]),
    "braces": ("-o { a = b } c", ["-o", "{ a = b }", "c"]),
    "nested": ("{ a { b c } d } e", ["{ a { b c } d }", "e"]),
    "glued": ("a{ b }c d", ["a{ b }c", "d"]),
    "stray": ("a } b", ["a", "}", "b"]),
    "never closed": ("a { b c", ["a", "{ b c"]),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_tokens(text: str, expected: list[str]) -> None:
    """Separators part the text, but not within braces."""
    assert [token.text for token in parse_tokens(text)] == expected


@given(st.text("a{} ,\n"), st.sampled_from([" \n", " ,\n"]))
def test_places(text: str, separators: str) -> None:
    """Each token stands where it says, and only separators stand between."""
    position = 0
    for token in parse_tokens(text, separators):
        assert text[token.start : token.end] == token.text != ""
        assert not text[position : token.start].strip(separators)
        position = token.end
    assert not text[position:].strip(separators)
