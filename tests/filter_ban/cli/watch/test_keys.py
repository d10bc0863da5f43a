# SPDX-License-Identifier: ISC
"""What a terminal sends, as keys."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.cli.watch.keys import Keyboard

KEYS: Final = {
    "letters": (b"jq?", ["j", "q", "?"]),
    "beyond ASCII": ("é".encode(), ["é"]),
    "arrows": (b"\x1b[A\x1b[B\x1b[C\x1b[D", ["up", "down", "right", "left"]),
    "arrows of a keypad in application mode": (b"\x1bOA\x1bOB", ["up", "down"]),
    "pages": (b"\x1b[5~\x1b[6~", ["page-up", "page-down"]),
    "ends": (b"\x1b[H\x1b[F\x1b[1~\x1b[4~\x1b[7~\x1b[8~", ["home", "end"] * 3),
    "enter": (b"\r\n", ["enter", "enter"]),
    "control": (b"\x03\x0c\x15\x7f\x08\t\x1b[Z", ["interrupt", "redraw", "clear", "backspace", "backspace", "tab", "tab"]),
    "escape before a letter": (b"\x1bj", ["escape", "j"]),
    "escape twice": (b"\x1b\x1bj", ["escape", "escape", "j"]),
    "unknown sequences": (b"\x1b[200~x\x1b[1;5A\x1bOz", ["x"]),
    "what is no key": (b"\x00\x01\xff\xfe", []),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), KEYS.values(), ids=KEYS.keys())
def test_keys(data: bytes, expected: list[str]) -> None:
    """A key is the same however the bytes are cut."""
    whole, bitten = Keyboard(), Keyboard()
    assert whole.feed(data) == expected
    assert [key for at in range(len(data)) for key in bitten.feed(data[at : at + 1])] == expected
    assert (whole.is_undecided, bitten.is_undecided) == (False, False)


def test_the_escape_key_comes_alone() -> None:
    """What may begin a sequence is the Escape key once nothing has followed."""
    keyboard = Keyboard()
    assert keyboard.feed(b"\x1b") == []
    assert keyboard.is_undecided
    assert keyboard.settle() == ["escape"]
    assert keyboard.settle() == []


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_any_bytes(pieces: list[bytes]) -> None:
    """Whatever comes, a key is a name or one printable character, and no rest grows without bound."""
    keyboard = Keyboard()
    keys = [key for piece in pieces for key in keyboard.feed(piece)]
    assert all(key.isprintable() and key for key in keys)
    assert len(keyboard._rest) < 32
