# SPDX-License-Identifier: ISC
"""Signs of the view, and foreign text that fits."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from filter_ban.cli.watch.look import ASCII, UNICODE, Look, choose_look

PLACES: Final = {
    "a UTF-8 locale": ("utf-8", {"LANG": "de_DE.UTF-8"}, UNICODE),
    "LC_ALL before LANG": ("utf-8", {"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, ASCII),
    "C": ("utf-8", {"LANG": "C"}, ASCII),
    "C, which Python makes UTF-8": ("utf-8", {"LANG": "C", "LC_CTYPE": "C.UTF-8"}, ASCII),
    "nothing said": ("utf-8", {}, ASCII),
    "nothing said, which Python makes UTF-8": ("utf-8", {"LC_CTYPE": "C.UTF-8"}, ASCII),
    "C.UTF-8": ("utf-8", {"LANG": "C.UTF-8"}, UNICODE),
    "LC_CTYPE of macOS": ("UTF-8", {"LC_CTYPE": "UTF-8"}, UNICODE),
    "a file in another character set": ("iso8859-1", {"LANG": "de_DE.UTF-8"}, ASCII),
}


@pytest.mark.parametrize(("encoding", "environment", "expected"), PLACES.values(), ids=PLACES.keys())
def test_choose(encoding: str, environment: dict[str, str], expected: Look) -> None:
    """Only a terminal that was promised UTF-8 gets more than ASCII."""
    assert choose_look(encoding, environment) is expected


@given(st.one_of(st.text(), st.integers(), st.none()), st.integers(-1, 40), st.sampled_from([UNICODE, ASCII]))
def test_cell(value: object, width: int, look: Look) -> None:
    """A cell is as wide as it shall be, printable, and in ASCII where nothing else can be shown."""
    cell = look.cell(value, width)
    assert cell_len(cell) == max(0, width)
    assert cell.isprintable()
    assert cell.isascii() or look is UNICODE


def test_cuts_are_marked() -> None:
    """Text that does not fit ends in a sign for that."""
    assert UNICODE.cell("2001:db8::1", 6) == "2001:…"
    assert ASCII.cell("2001:db8::1", 6) == "2001:~"
    assert UNICODE.cell("fits", 6) == "fits  "
