# SPDX-License-Identifier: ISC
"""
The rules of a blocklistd.conf, in the order in which blocklistd tries them.

Source: blocklistd.conf(5); blocklist, bin/conf.c: a wrong line is left out and the others hold.
"""

import re
import socket
from collections.abc import Callable, Iterator
from typing import Final

import attrs

from filter_ban.client import IPV6_BITS, ClientKey, is_ipv4, make_key, pack_address
from filter_ban.exchange.holding import Fault, ImportFault
from filter_ban.text import excerpt

ANY: Final = -1  # "*", as blocklistd sorts it
KEEP: Final = -2  # "=", in [remote]: what the local rule says
TCP: Final = 6
UDP: Final = 17
IPV4: Final = 4
IPV6: Final = 6
MAX_RULES: Final = 200  # people have some ten
_COLUMNS: Final = 7
_MAX_NUMBER: Final = (1 << 31) - 1
_MAX_PORT: Final = 65_535
_TYPES: Final = {"stream": TCP, "dgram": UDP}
_FAMILIES: Final = {
    2: IPV4,
    10: IPV6,
    24: IPV6,
    28: IPV6,
    30: IPV6,
}  # AF_INET; AF_INET6 of Linux and the BSDs
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SECONDS: Final = re.compile(r"(?:[0-9]{1,9}[smhd])+")
_LOCATION: Final = re.compile(r"(?:\[([^]]*)\]|([^][/:]*))(?:/([^:]*))?(?::(.*))?")
_WELL_KNOWN: Final = {  # where /etc/services is missing, or has other names
    "ftp": 21,
    "ssh": 22,
    "telnet": 23,
    "smtp": 25,
    "domain": 53,
    "http": 80,
    "pop3": 110,
    "imap": 143,
    "https": 443,
    "smtps": 465,
    "submissions": 465,
    "submission": 587,
    "imaps": 993,
    "pop3s": 995,
}

Services = Callable[[str], int | None]


@attrs.frozen(kw_only=True)
class Rule:
    """
    One row.

    ``network`` is the remote address of a [remote] row; ``local`` the local address or interface of a [local] one.
    ``port`` is the service's in both. ``family`` is IPV4, IPV6, ANY or KEEP; ``kind`` a protocol number; ``prefix`` what
    a client is cut to.
    """

    place: str
    text: str
    local: str
    network: ClientKey | None
    mask: int
    port: int
    kind: int
    family: int
    owner: str
    prefix: int
    nfail: int
    disable_s: int

    @property
    def rank(self) -> tuple[int, ...]:
        """What blocklistd sorts by, the highest first."""
        address = 3 if self.local else 0 if self.network is None else 1 if is_ipv4(self.network) else 2
        owner = {"*": ANY, "=": KEEP}.get(self.owner, 0)
        return address, self.mask, self.port, self.kind, self.family, self.prefix, owner


@attrs.frozen
class Rules:
    """The rules of a file, each part in blocklistd's order, and the lines that are wrong."""

    local: list[Rule]
    remote: list[Rule]
    faults: list[Fault]


def well_known_port(name: str) -> int | None:
    """Return the port of a service by its name, None if it is not known here."""
    for protocol in ("tcp", "udp"):
        try:
            return socket.getservbyname(name, protocol)
        except (OSError, ValueError, UnicodeError):
            continue
    return _WELL_KNOWN.get(name)


def parse(text: str, services: Services = well_known_port) -> Rules:
    """
    Return the rules in *text*.

    Args:
        text: The content of a blocklistd.conf.
        services: Returns the port of a service.

    Raises:
        ImportFault: there are too many.

    """
    sections: dict[str, list[Rule]] = {"[local]": [], "[remote]": []}
    faults: list[Fault] = []
    section = "[local]"
    for number, line in _lines(text):
        if line in sections:
            section = line
            continue
        try:
            sections[section].append(_rule(number, line.split(), services, local=section == "[local]"))
        except ValueError as error:
            faults.append(Fault(f"line {number}", str(error)))
        if len(faults) + sum(len(rules) for rules in sections.values()) > MAX_RULES:
            raise ImportFault(f"more than {MAX_RULES} rules of blocklistd; is it of another format?")
    local, remote = (sorted(rules, key=lambda rule: rule.rank, reverse=True) for rules in sections.values())
    return Rules(local, remote, faults)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines that are not empty, comments cut off and continued lines joined, with the number of their first one."""
    pieces: list[str] = []
    for number, line in enumerate([*text.split("\n"), ""], 1):
        content = re.sub(r"(?<!\\)#.*", "", line.rstrip("\r"))
        pieces.append(content.removesuffix("\\"))
        if not content.endswith("\\"):
            joined = "".join(pieces).strip()
            if joined:
                yield number + 1 - len(pieces), joined
            pieces = []


def _rule(number: int, columns: list[str], services: Services, *, local: bool) -> Rule:
    if len(columns) < _COLUMNS:
        raise ValueError(f"has {len(columns)} of {_COLUMNS} columns")
    location, kind, family, owner, name, nfail, disable = columns[:_COLUMNS]
    if local and "=" in (kind, family, owner, name.partition("/")[0], nfail, disable):
        raise ValueError('"=" is for [remote] only')
    address, mask, port = _locate(location)
    return Rule(
        place=f"line {number}",
        text=excerpt(" ".join(columns[:_COLUMNS])),
        local=address if local else "",
        network=None if local or not address else _network(address, mask),
        mask=mask,
        port=_port(port, services),
        kind=_TYPES[kind] if kind in _TYPES else _number("type", kind),
        family=_family(family),
        owner=owner,
        prefix=_number("mask of the name", name.partition("/")[2] or "*", IPV6_BITS),
        nfail=_number("nfail", nfail),
        disable_s=_seconds(disable),
    )


def _locate(text: str) -> tuple[str, int, str]:
    """Return address or interface, mask and port."""
    found = _LOCATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{excerpt(text)}: must be [ADDRESS[/MASK]:]PORT")
    six, other, mask, port = found.groups()
    address = other if six is None else six
    if port is None and mask is None and six is None and "." not in address:
        return "", ANY, address
    return "" if address == "*" else address, _number("mask", mask or "*", IPV6_BITS), port or "*"


def _network(address: str, mask: int) -> ClientKey:
    packed = pack_address(address)
    bits = len(packed) * 8
    if mask > bits:
        raise ValueError(f"{excerpt(address)}: its mask must be 0 to {bits}")
    return make_key(packed, bits if mask == ANY else mask)


def _port(text: str, services: Services) -> int:
    port = _WILD.get(text)
    if port is None:
        port = services(text)
    if port is not None:
        return port
    try:
        return _number("port", text, _MAX_PORT)
    except ValueError:
        raise ValueError(f"{excerpt(text)}: no service that is known here, and no port") from None


def _family(text: str) -> int:
    if text.startswith(("tcp", "udp")):
        return IPV6 if text[3:4] == "6" else IPV4
    number = _number("proto", text)
    if number >= 0 and number not in _FAMILIES:
        raise ValueError(f"proto {number}: must be tcp, tcp6, udp, udp6 or *")
    return _FAMILIES.get(number, number)


_WILD: Final = {"*": ANY, "=": KEEP}


def _number(column: str, text: str, highest: int = _MAX_NUMBER) -> int:
    if text in _WILD:
        return _WILD[text]
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= highest):  # noqa: PLR2004 - of 2**31
        raise ValueError(f"{column} {excerpt(text)}: must be a number, at most {highest}, or *")
    return int(text)


def _seconds(text: str) -> int:
    if not _SECONDS.fullmatch(text):
        return _number("disable", text)
    return sum(int(part[:-1]) * _UNITS_S[part[-1]] for part in re.findall(r"[0-9]+[smhd]", text))
