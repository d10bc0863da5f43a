# SPDX-License-Identifier: ISC
"""
Sets of ipset, in the forms of ``ipset save`` and ``ipset list``.

Source: ipset(8); ipset 7.17 for what is printed.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from filter_ban.exchange.holding import MAX_REMARK, Holding, ImportFault, parse_time
from filter_ban.text import excerpt

TYPES: Final = ("hash:ip", "hash:net")
_COMMENT: Final = re.compile(r' comment "([^"]*)"')


def read(text: str, holding: Holding) -> None:
    """
    Add the members of the one set in *text*.

    Raises:
        ImportFault: there is none, or more than one, or it holds something else than addresses.

    """
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1)]
    saved = [line.split() for _, line in lines if line.startswith("create ")]
    listed = [line for _, line in lines if line.startswith("Name: ")]
    if len(saved) + len(listed) != 1:
        raise ImportFault(
            f"{holding.origin}: must be one set, as ipset save NAME or ipset list NAME prints it"
        )
    if saved:
        _, name, kind, *options = [*saved[0], "", ""]
        members = [(number, line.split(maxsplit=2)[2:]) for number, line in lines if line.startswith("add ")]
    else:
        name = listed[0].split(maxsplit=1)[1]
        kind = _after("Type: ", lines)
        options = _after("Header: ", lines).split()
        begin = next((place for place, (_, line) in enumerate(lines) if line == "Members:"), len(lines))
        members = [(number, [line]) for number, line in lines[begin + 1 :] if line]
    if kind not in TYPES:
        raise ImportFault(
            f"{holding.origin}: set {excerpt(name)} is a {excerpt(kind)}, not a {' or '.join(TYPES)}"
        )
    holding.origin = f"ipset {name[:MAX_REMARK]}"
    netmask = _option("netmask", options)
    for number, member in members:
        _take(f"line {number}", member[0] if member else "", netmask, holding)


def _after(head: str, lines: Sequence[tuple[int, str]]) -> str:
    return next((line.removeprefix(head) for _, line in lines if line.startswith(head)), "")


def _option(name: str, words: Sequence[str]) -> str:
    return next((value for key, value in pairwise(words) if key == name), "")


def _take(place: str, member: str, netmask: str, holding: Holding) -> None:
    comment = _COMMENT.search(member)
    client, *options = (member[: comment.start()] if comment else member).split() or [""]
    if "nomatch" in options:
        holding.miss(place, "an exception within the set, no ban; see never.networks")
        return
    try:
        remaining_s = parse_time(_option("timeout", options) or "0")
    except ValueError as error:
        holding.miss(place, f"timeout {error}")
        return
    holding.take(
        f"{client}/{netmask}" if netmask and "/" not in client else client,
        place,
        end_s=holding.made_s + remaining_s if remaining_s else None,  # 0: for ever
        remark=comment[1] if comment else "",
    )
