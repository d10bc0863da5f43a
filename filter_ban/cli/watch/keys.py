# SPDX-License-Identifier: ISC
"""What a terminal sends, as keys."""

import re
from codecs import getincrementaldecoder
from typing import Final

ESCAPE: Final = "escape"
_ESC: Final = "\x1b"
_NAMES: Final = {
    "\r": "enter",
    "\n": "enter",
    "\t": "tab",
    "\x03": "interrupt",
    "\x0c": "redraw",
    "\x15": "clear",
    "\x7f": "backspace",
    "\x08": "backspace",
}
_SEQUENCES: Final = {
    **{f"{_ESC}{intro}{final}": name for intro in "[O" for final, name in zip("ABCDHF", (
        "up", "down", "right", "left", "home", "end"), strict=True)},
    f"{_ESC}[1~": "home",
    f"{_ESC}[4~": "end",
    f"{_ESC}[5~": "page-up",
    f"{_ESC}[6~": "page-down",
    f"{_ESC}[7~": "home",
    f"{_ESC}[8~": "end",
    f"{_ESC}[Z": "tab",
}  # fmt: skip
_SEQUENCE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[@-~])")  # ECMA-48, 5.4: CSI; and SS3 of keypads
_UNFINISHED: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)?")
_LONGEST: Final = 32  # of a sequence; what goes on longer is none


class Keyboard:
    """Cuts bytes into keys; a key is its character, or a name such as ``up``; what is neither is left out."""

    def __init__(self) -> None:
        self._decode = getincrementaldecoder("utf-8")("ignore").decode
        self._rest = ""

    @property
    def is_undecided(self) -> bool:
        """Whether what came last may be the Escape key or the beginning of a sequence."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[str]:
        """Return the keys that *data* completes."""
        text, keys = self._rest + self._decode(data), []
        self._rest = ""
        at = 0
        while at < len(text):
            if text[at] != _ESC:
                keys.append(text[at])
                at += 1
                continue
            sequence = _SEQUENCE.match(text, at)
            unfinished = _UNFINISHED.fullmatch(text, at)
            if sequence is None and unfinished is not None and len(text) - at < _LONGEST:
                self._rest = text[at:]
                break
            keys.append(_ESC if sequence is None else sequence[0])
            at += len(keys[-1])
        return [name for key in keys if (name := _name(key))]

    def settle(self) -> list[str]:
        """Return the Escape key where nothing has followed it for a while."""
        rest, self._rest = self._rest, ""
        return [ESCAPE] if rest else []


def _name(key: str) -> str:
    if key == _ESC:
        return ESCAPE
    named = _NAMES.get(key) or _SEQUENCES.get(key)
    return named or (key if len(key) == 1 and key.isprintable() else "")
