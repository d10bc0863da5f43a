# SPDX-License-Identifier: ISC
"""Foreign text made safe to show: one line, printable, bounded."""

from typing import Final

EXCERPT_CHARS: Final = 100


def escape(text: str) -> str:
    """Return *text* with everything that is not printable ASCII or a printable letter written as an escape."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(_escape_char(char) for char in text)


def _escape_char(char: str) -> str:
    if char == "\\":
        return "\\\\"
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def excerpt(text: str, limit: int = EXCERPT_CHARS) -> str:
    """Return *text* escaped and cut to *limit* characters, the cut marked."""
    shown = escape(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
