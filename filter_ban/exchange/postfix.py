# SPDX-License-Identifier: ISC
"""
Tables of Postfix that refuse clients: ``hash:`` and the like, made by postmap, and ``cidr:``.

Source: access(5): a key is an address, or the first octets or groups of one; Postfix looks up the address as it prints
it and cuts it at the last ``.`` or ``:`` until it finds something. A reply is a code and a text: digits alone would let the
client in. cidr_table(5): addresses and prefixes; the first line that fits holds.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Final

from filter_ban.client import ClientKey, address_text, is_host, is_ipv4, key_text, prefix_of
from filter_ban.exchange.banned import Banned
from filter_ban.exchange.holding import Holding
from filter_ban.reply import ReplyTemplate
from filter_ban.text import excerpt

CODES: Final = "521 5.7.1"  # RFC 7504 and RFC 3463; Postfix hangs up after 521
_REFUSAL: Final = re.compile(r"[45][0-9]{2}[ \t]+\S.*|reject\b.*", re.IGNORECASE)
_GROUP: Final = re.compile(r"[0-9A-Fa-f]{1,4}")
_OCTETS: Final = 4
_GROUPS: Final = 8


def read_access(text: str, holding: Holding) -> None:
    """Add what is refused by the lines of *text*, which postmap(1) would be given."""
    _read(text, _network_of, holding)


def read_cidr(text: str, holding: Holding) -> None:
    """Add what is refused by the lines of a cidr_table(5)."""
    _read(text, str, holding)


def _read(text: str, network_of: Callable[[str], str], holding: Holding) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if (
            not line.strip() or line.startswith("#") or line[0].isspace()
        ):  # a blank goes on with the line above
            continue
        key, action = [*line.split(maxsplit=1), ""][:2]
        if _REFUSAL.fullmatch(action.strip()):
            holding.take(network_of(key), f"line {number}", remark=action.strip())
        else:
            holding.miss(
                f"line {number}", f"{excerpt(key)}: {excerpt(action.strip()) or 'nothing'} is no refusal"
            )


def _network_of(key: str) -> str:
    """Return the prefix that *key* stands for; what is none comes back as it is, and is told by its reader."""
    octets, groups = key.split("."), key.split(":")
    if len(octets) < _OCTETS and all(octet.isdecimal() for octet in octets):
        return ".".join([*octets, *["0"] * (_OCTETS - len(octets))]) + f"/{8 * len(octets)}"
    if 1 < len(groups) < _GROUPS and all(map(_GROUP.fullmatch, groups)):
        return f"{key}::/{16 * len(groups)}"
    return key


def write_access(bans: Iterable[Banned], reply: ReplyTemplate, omitted: list[ClientKey]) -> Iterator[str]:
    """Yield a line for each of *bans*; those that have no key are added to *omitted*."""
    yield "# bans of filter-ban, for postmap(1) and check_client_access\n"
    for each in bans:
        key = access_key(each.ban.client)
        if key is None:
            omitted.append(each.ban.client)
        else:
            yield f"{key} {_refusal(each, reply)}\n"


def write_cidr(bans: Iterable[Banned], reply: ReplyTemplate) -> Iterator[str]:
    """Yield a line for each of *bans*."""
    yield "# bans of filter-ban, for check_client_access cidr:FILE\n"
    for each in bans:
        yield f"{key_text(each.ban.client)} {_refusal(each, reply)}\n"


def access_key(client: ClientKey) -> str | None:
    """
    Return the key by which access(5) finds every address in *client*, and no other; None: there is none.

    Of IPv6 networks these are whole groups that Postfix prints the same for every address in them: a last group of 0,
    or two that follow each other, may be written ``::`` or not. One group alone could be an octet of IPv4.
    """
    bits, prefix = (8 if is_ipv4(client) else 16), prefix_of(client)
    if is_host(client):
        return address_text(client)
    if prefix % bits or not prefix:
        return None
    if is_ipv4(client):
        return ".".join(map(str, client[: prefix // bits]))
    groups = [int.from_bytes(client[at : at + 2]) for at in range(0, prefix // 8, 2)]
    if len(groups) < 2 or not groups[-1] or (0, 0) in pairwise(groups):  # noqa: PLR2004 - see above
        return None
    return ":".join(f"{group:x}" for group in groups)


def _refusal(each: Banned, reply: ReplyTemplate) -> str:
    return f"{CODES} {reply.render(each.ban).explanation}"
