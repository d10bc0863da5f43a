# SPDX-License-Identifier: ISC
"""Text: escapes of vis(3), decoding for people, excerpts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensmtpd import excerpt, readable, unvis, without_credentials
from opensmtpd.testing import vis

ESCAPED = {
    "two\\040words": "two words",
    "j\\M-C\\M-<rgen": "jürgen",
    "\\M^?\\M-~\\040latin": "\\xff\\xfe latin",
    "\\M-b\\M^B\\M-,": "€",
    "\\240": "\\xa0",
    "back\\\\slash": "back\\slash",
    "\\\\040": "\\040",
    "tab\\^Ihere": "tab\there",
    "\\^[[31mred": "\x1b[31mred",
    "\\^?\\^@": "\x7f\0",
    "cr\rlf\\^Jend": "cr\rlf\nend",
    "plain|text": "plain|text",
    "": "",
    "cut\\": "cut\\",
    "cut\\M": "cut\\M",
    "cut\\M-": "cut\\M-",
    "cut\\M^": "cut\\M^",
    "cut\\^": "cut\\^",
    "cut\\04": "cut\\04",
    "cut\\M-C": "cut\\xc3",
    "\\777": "\\xff",
}


@pytest.mark.parametrize(("escaped", "name"), ESCAPED.items())
def test_unvis(escaped: str, name: str) -> None:
    """Each escape becomes its byte, bytes become UTF-8, and a cut escape stays."""
    assert name == unvis(escaped)


@given(st.text(st.characters(max_codepoint=255)))
def test_unvis_is_total(text: str) -> None:
    """Any wire text has a readable form that can be encoded."""
    unvis(text).encode()


@given(st.text(max_size=30))
def test_vis_and_back(name: str) -> None:
    """What smtpd escapes is what is read, unless it was too long."""
    assert name == unvis(vis(name))


def test_vis_cuts_at_255_characters() -> None:
    """An escaped name is cut as smtpd does it: between two escapes, and so inside a character."""
    assert vis("ü" * 128) == "\\M-C\\M-<" * 31 + "\\M-C"


def test_readable_never_fails() -> None:
    """Bytes that are not UTF-8 and characters that are no bytes show as escapes."""
    assert readable("\xc3\xbc\xff€") == "ü\\xff\\u20ac"


def test_excerpt_is_bounded() -> None:
    """An excerpt says that it was cut."""
    assert excerpt("x" * 101) == "x" * 97 + "..."
    assert excerpt("x" * 100) == "x" * 100
    assert excerpt("\x1b\xff\n") == "\\x1b\\xff\\n"


@pytest.mark.parametrize(
    "text", ["AUTH PLAIN c2VjcmV0", "auth|c2VjcmV0", "x|PLAIN c2VjcmV0", "Login c2VjcmV0"]
)
def test_credentials_are_cut_off(text: str) -> None:
    """Whatever AUTH may put before a secret ends the text."""
    assert "c2VjcmV0" not in without_credentials(text)
    assert without_credentials(text).endswith(" ...")
