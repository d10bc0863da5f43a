# SPDX-License-Identifier: ISC
"""Text and values become lines of mdoc that mean what was written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.man.mdoc import display, literal, page, prose, tags

PROSE = {
    "sentences": ("One thing. Another.", ["One thing.", "Another."]),
    "code": ("Run `filter-ban status` now.", ["Run", '.Ql "filter\\-ban status"', "now."]),
    "code of two sentences": ("Say `421 4.7.0. No` then.", ["Say", '.Ql "421 4.7.0. No"', "then."]),
    "punctuation": ("Run `a-command`.", ["Run", ".Ql a\\-command ."]),
    "parentheses": ("All (`here-it-is`).", ["All", ".Ql ( here\\-it\\-is ) ."]),
    "glued": ("The `name`s.", ["The", ".Ql name Ns s."]),
    "prefix": ("An un`known` thing.", ["An un\\c", ".Ql known", "thing."]),
    "page": ("See pf.conf(5).", ["See", ".Xr pf.conf 5 ."]),
    "link": ("See [the page](page.md) there.", ["See the page there."]),
    "stress": ("**Never `do`** that.", [".Em Never do", "that."]),
    "system": ("For OpenBSD only.", ["For", ".Ox", "only."]),
    "control line": (".Sh is a macro", ["\\&.Sh is a macro"]),
    "backslash": ("a \\fB here", ["a \\efB here"]),
    "beyond ASCII": ("an \u2026", ["an \\[u2026]"]),
}
LITERALS = {
    "--json": "\\-\\-json",
    "Pp": "\\&Pp",
    ".": "\\&.",
    "'x": "\\&'x",
    'a "b"': '"a \\(dqb\\(dq"',
}


@pytest.mark.parametrize(("text", "lines"), PROSE.values(), ids=PROSE.keys())
def test_prose(text: str, lines: list[str]) -> None:
    """Marks of the manual's texts become macros, and nothing else does."""
    assert [*prose(text)] == lines


@pytest.mark.parametrize(("text", "argument"), LITERALS.items())
def test_literal(text: str, argument: str) -> None:
    """What is to be typed stays one argument, and no macro."""
    assert literal(text) == argument


@given(st.text())
def test_no_line_is_a_macro_by_accident(text: str) -> None:
    """Whatever a text holds, a line that begins as a macro is one that we know, in ASCII and short enough."""
    for line in prose(text):
        assert line.isascii()
        assert not line.startswith("'")
        assert not line.startswith(".") or re.match(r"\.(Ql|Xr|Em|Ox|Fx|Nx)\b", line)


def test_display() -> None:
    """Lines are kept, and those that look like macros are none."""
    assert [*display(".a\n  -b\n")] == [".Bd -literal -offset indent", "\\&.a", "  \\-b", ".Ed"]


def test_page() -> None:
    """A page has its head and its sections in order."""
    text = page("name", 7, "what it is", ("FILES", tags([("Pa /x", ["A file."])])))
    assert text.endswith(
        ".Dt NAME 7\n.Os\n.Sh NAME\n.Nm name\n.Nd what it is\n"
        ".Sh FILES\n.Bl -tag -width Ds\n.It Pa /x\nA file.\n.El\n"
    )
