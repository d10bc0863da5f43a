# SPDX-License-Identifier: ISC
"""
The language of manual pages: text and values in, lines of mdoc out.

Source: mdoc(7), roff(7), mandoc_char(7).
"""

import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Final

DATE: Final = "November 21, 2026"  # of the last release; the pages must not change from day to day
WIDTH: Final = 78
_LONGEST_MACRO: Final = 3  # what is as short may be a macro or a punctuation mark
_SYSTEMS: Final = {"OpenBSD": "Ox", "FreeBSD": "Fx", "NetBSD": "Nx"}
_PIECE: Final = re.compile(
    r"`(?P<code>[^`]+)`"
    r"|\b(?P<page>[a-z][\w.-]*)\((?P<section>\d)\)"
    r"|\[(?P<link>[^\]]+)\]\([^)]+\)"
    r"|\*\*(?P<stress>[^*]+)\*\*"
    rf"|\b(?P<system>{'|'.join(_SYSTEMS)})\b"
)
_BEHIND: Final = re.compile(r"(?P<marks>[.,:;)!?]+)(?=\s|$)|[^\s`]+")
_SENTENCE_END: Final = re.compile(
    r"(?<=[.!?])\s+(?=[A-Z0-9(`\"])(?=(?:[^`]*`[^`]*`)*[^`]*$)"
)  # not inside code


def escaped(text: str) -> str:
    """Return *text* so that roff prints it as it is; hyphens stay hyphens."""
    return "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in text.replace("\\", "\\e"))


def literal(text: str) -> str:
    """Return *text*, which somebody may copy into a terminal or a file, as one argument of a macro."""
    shown = escaped(text).replace("-", "\\-").replace('"', "\\(dq")
    if " " in shown:
        return f'"{shown}"'
    return f"\\&{shown}" if len(shown) <= _LONGEST_MACRO or shown[0] in ".'" else shown


def prose(text: str) -> Iterator[str]:
    """Yield lines for a paragraph: `` `code` ``, ``page(8)``, ``[links](target)`` and ``**stress**`` are understood."""
    for sentence in _SENTENCE_END.split(" ".join(text.split())):
        yield from _sentence(sentence)


def _sentence(sentence: str) -> Iterator[str]:
    plain, end = "", 0
    for piece in _PIECE.finditer(sentence):
        plain += sentence[end : piece.start()]
        end = piece.end()
        if piece["link"]:
            plain += piece["link"].replace("`", "")
            continue
        opens = plain.endswith("(")
        lines = _wrapped(plain.removesuffix("("))
        if plain[-1:].strip() and not opens:
            lines[-1] += "\\c"  # no blank between this and the macro
        yield from lines
        behind = _BEHIND.match(sentence, end)
        end = behind.end() if behind else end
        yield _macro(piece, opens=opens) + _delimiters(behind)
        plain = ""
    yield from _wrapped(plain + sentence[end:])


def _macro(piece: re.Match[str], *, opens: bool) -> str:
    opening = " (" if opens else ""
    if piece["code"]:
        return f".Ql{opening} {literal(piece['code'])}"
    if piece["page"]:
        return f".Xr{opening} {piece['page']} {piece['section']}"
    if piece["system"]:
        return f".{_SYSTEMS[piece['system']]}{opening}"
    stress = piece["stress"].replace("`", "")
    return f".Em{opening} {escaped(stress)}"


def _delimiters(behind: re.Match[str] | None) -> str:
    """Return what stands behind a macro's argument without a blank, as further arguments."""
    if behind is None:
        return ""
    return "".join(f" {mark}" for mark in behind["marks"] or "") or f" Ns {escaped(behind[0])}"


def _wrapped(text: str) -> list[str]:
    lines = textwrap.wrap(escaped(text.strip()), WIDTH, break_long_words=False, break_on_hyphens=False)
    return [f"\\&{line}" if line[0] in ".'" else line for line in lines]


def paragraphs(text: str) -> Iterator[str]:
    """Yield the lines of several paragraphs that blank lines part."""
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        if number:
            yield ".Pp"
        yield from prose(paragraph)


def display(text: str) -> Iterator[str]:
    """Yield lines that are shown as they are, indented."""
    yield ".Bd -literal -offset indent"
    for line in text.strip("\n").splitlines():
        shown = escaped(line).replace("-", "\\-")
        yield f"\\&{shown}" if shown[:1] in (".", "'") else shown
    yield ".Ed"


def tags(entries: Iterable[tuple[str, Iterable[str]]], kind: str = "Ds") -> Iterator[str]:
    """Yield a list of entries: what stands behind ``.It``, and the lines about it."""
    yield f".Bl -tag -width {kind}"
    for tag, lines in entries:
        yield f".It {tag}"
        yield from lines
    yield ".El"


def page(name: str, section: int, about: str, *sections: tuple[str, Iterable[str]]) -> str:
    """Return a whole page: its sections by their names, in the order of mdoc(7)."""
    lines = [
        '.\\" SPDX-License-Identifier: ISC',
        '.\\" Made by python -m tools.man; what it says comes from the code.',
    ]
    lines += [
        f".Dd {DATE}",
        f".Dt {name.upper()} {section}",
        ".Os",
        ".Sh NAME",
        f".Nm {name}",
        f".Nd {escaped(about)}",
    ]
    for title, body in sections:
        lines += [f".Sh {title}", *body]
    return "\n".join(lines) + "\n"
