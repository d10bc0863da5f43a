# SPDX-License-Identifier: ISC
"""
Wire text and text for people.

Wire text is ``str`` in which one character is one byte (latin-1): nothing is lost, and what goes back is what came.
Text for people is made of it only where somebody asks.
"""

import re
from typing import Final

EXCERPT_LENGTH: Final = 100
_CREDENTIALS: Final = re.compile(r"(auth[| ]|plain|login).*", re.DOTALL | re.IGNORECASE)
_VIS: Final = re.compile(r"\\(?:(\\)|([0-7]{3})|(M?)\^(.)|M-(.))", re.DOTALL)
_META: Final = 0x80
_CONTROL: Final = 0x1F
_DELETE: Final = 0x7F
_MAX_VIS_LENGTH: Final = 255


def readable(text: str) -> str:
    r"""Return wire text decoded as UTF-8; bytes that are not UTF-8 show as ``\xff``. Control characters stay."""
    return text.encode("latin-1", "backslashreplace").decode("utf-8", "backslashreplace")


def unvis(text: str) -> str:
    r"""
    Return the user name that smtpd wrote with vis(3) escapes, as text for people.

    Total: a name that was cut inside an escape keeps the piece as it is.

    Source: vis(3): ``\040`` blank, ``\^I`` tab, ``\M-C`` and ``\M^E`` bytes from 0x80, doubled backslash.
    """
    return readable(_VIS.sub(_unescape, text) if "\\" in text else text)


def vis(name: str) -> str:
    """Return a user name as smtpd writes it in link-auth: escaped, and cut before an escape at 255 characters."""
    text = ""
    for byte in name.encode("utf-8", "surrogateescape"):
        piece = _escaped(byte)
        if len(text) + len(piece) > _MAX_VIS_LENGTH:
            break
        text += piece
    return text


def _escaped(byte: int) -> str:
    low = byte & _DELETE
    if low == ord(" "):
        return f"\\{byte:03o}"
    if byte == ord("\\"):
        return "\\\\"
    if _CONTROL < low < _DELETE:
        return chr(byte) if byte == low else f"\\M-{chr(low)}"
    mark = "?" if low == _DELETE else chr(low | 0x40)
    return f"\\^{mark}" if byte == low else f"\\M^{mark}"


def _unescape(match: re.Match[str]) -> str:
    backslash, octal, meta_mark, control, meta = match.groups()
    if backslash:
        return "\\"
    if octal:
        return chr(int(octal, 8) & 0xFF)
    if meta:
        return chr(ord(meta) & _DELETE | _META)
    code = _DELETE if control == "?" else ord(control) & _CONTROL
    return chr(code | _META if meta_mark else code)


def without_credentials(text: str) -> str:
    """Return *text* up to the first word that SMTP AUTH may put before a secret."""
    return _CREDENTIALS.sub(r"\1 ...", text)


def excerpt(text: str) -> str:
    """Return the beginning of *text* without credentials, in printable ASCII, at most about 100 characters long."""
    head = without_credentials(text[: 2 * EXCERPT_LENGTH]).encode("unicode_escape").decode("ascii")
    return head if len(head) <= EXCERPT_LENGTH else head[: EXCERPT_LENGTH - 3] + "..."


def masked_repr(text: object) -> str:
    """Return the repr of an attribute that may hold credentials."""
    return repr(without_credentials(str(text)))
