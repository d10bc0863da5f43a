# SPDX-License-Identifier: ISC
"""
A set of nftables, in the forms of ``nft list set`` and ``nft -j list set``; or both sets of an export.

Source: nft(8), libnftables-json(5); nft 1.0.6 and 1.1.3 for what is printed. Intervals are prefixes or ranges.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import attrs

from filter_ban.exchange.holding import MAX_REMARK, Holding, ImportFault, parse_time
from filter_ban.exchange.nft_script import MARK, SETS
from filter_ban.text import excerpt

TYPES: Final = ("ipv4_addr", "ipv6_addr")
# a block ends with the first brace that begins a line: that of "elements" ends one
_SET: Final = re.compile(r"^[ \t]*(set|map) (\S+) \{\n(.*?)^[ \t]*\}", re.MULTILINE | re.DOTALL)
_HEAD: Final = re.compile(r"^[ \t]*(?:set|map) \S+ \{$", re.MULTILINE)
_STATEMENT: Final = re.compile(r"^[ \t]*(type|timeout) (.+)$", re.MULTILINE)
_ELEMENTS: Final = re.compile(r"^[ \t]*elements = \{(.*)\}", re.MULTILINE | re.DOTALL)
_ELEMENT: Final = re.compile(r'(?:"[^"\n]*"|[^",\n])+')  # a line may hold several, none is broken
_COMMENT: Final = re.compile(r' comment "([^"]*)"')
_OPTION: Final = re.compile(r" (timeout|expires) (\S+)")
_NEVER: Final = "never"  # nft 1.1: an element without an end in a set whose elements have one


@attrs.frozen
class _Element:
    """An element of a set; times as they are printed, None where there are none."""

    value: str
    place: str
    timeout: str | None = None
    expires: str | None = None
    comment: str = ""


def read(text: str, holding: Holding) -> None:
    """
    Add the elements of the one set in *text*, or of both sets of an export.

    Raises:
        ImportFault: there is none, or more than one, or it holds something else than addresses.

    """
    if text.startswith(MARK):
        expected = len(SETS)
        sets = list(_sets(text, expected))
    else:
        expected = 1
        sets = list(_sets_of_json(text, holding) if text.lstrip().startswith("{") else _sets(text, expected))
    if len(sets) != expected:
        raise ImportFault(
            f"{holding.origin}: must be one set, as nft list set FAMILY TABLE SET prints it; a ruleset may have "
            "sets of friends too"
        )
    for name, kind, timeout, elements in sets:
        if kind not in ("", *TYPES):
            raise ImportFault(
                f"{holding.origin}: set {excerpt(name)} is of {excerpt(kind)}, not of {' or '.join(TYPES)}"
            )
        if len(sets) == 1:
            holding.origin = f"nft set {name[:MAX_REMARK]}"
        for element in elements:
            _take(element, timeout, holding)


def _take(element: _Element, default_timeout: str | None, holding: Holding) -> None:
    remaining = next(
        (time for time in (element.expires, element.timeout, default_timeout) if time is not None), _NEVER
    )
    try:
        end_s = None if remaining == _NEVER else holding.made_s + parse_time(remaining)
    except ValueError as error:
        holding.miss(element.place, str(error))
        return
    holding.take(element.value, element.place, end_s=end_s, remark=element.comment)


_Set = tuple[str, str, str | None, Iterator[_Element]]  # name, type, timeout, elements


def _sets(text: str, expected: int) -> Iterator[_Set]:
    if (
        len(_HEAD.findall(text)) != expected
    ):  # before their ends are looked for: where these are missing, that takes long
        return
    for found in _SET.finditer(text):
        statements = dict(_STATEMENT.findall(found[3]))
        kind = statements.get("type", "") if found[1] == "set" else "map"
        yield found[2], kind, statements.get("timeout"), _elements(text, found)


def _elements(text: str, block: re.Match[str]) -> Iterator[_Element]:
    found = _ELEMENTS.search(text, *block.span(3))
    if found is None:
        return
    first = text.count("\n", 0, found.start(1)) + 1
    for number, line in enumerate(found[1].split("\n"), first):
        for element in _ELEMENT.findall(line):
            comment = _COMMENT.search(element)
            words = element[: comment.start()] if comment else element
            value, blank, options = words.strip().partition(" ")
            if value:
                times = dict(_OPTION.findall(blank + options))
                yield _Element(value, f"line {number}", **times, comment=comment[1] if comment else "")


# --- JSON


def _sets_of_json(text: str, holding: Holding) -> Iterator[_Set]:
    try:
        objects = json.loads(text)["nftables"]
        sets = [each[kind] | {"kind": kind} for each in objects for kind in ("set", "map") if kind in each]
        for each in sets:
            kind = (
                each["type"] if each["kind"] == "set" and isinstance(each["type"], str) else "something else"
            )
            yield str(each["name"]), kind, _time(each), _elements_of_json([*each.get("elem", ())])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ImportFault(f"{holding.origin}: is no JSON of nft") from None


def _elements_of_json(elements: list[Any]) -> Iterator[_Element]:
    for number, given in enumerate(elements, 1):
        element = given.get("elem") if isinstance(given, dict) else None
        if not isinstance(element, dict):
            element = {"val": given}
        yield _Element(
            _value(element.get("val")),
            f"element {number}",
            _time(element),
            _time(element, "expires"),
            str(element.get("comment", "")),
        )


def _value(value: Any) -> str:
    match value:
        case {"prefix": {"addr": address, "len": length}}:
            return f"{address}/{length}"
        case {"range": [first, last]}:
            return f"{first}-{last}"
    return str(value)


def _time(document: dict[str, Any], key: str = "timeout") -> str | None:
    return str(document[key]) if key in document else None
