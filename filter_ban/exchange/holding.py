# SPDX-License-Identifier: ISC
"""What was found in a source: the addresses and prefixes that it bans, and the places that cannot be understood."""

import ipaddress
import re
from typing import Final

import attrs

from filter_ban.client import ClientKey, pack_address, parse_network

MAX_ENTRIES: Final = 1_000_000  # as many as filter-ban remembers clients
MAX_FAULTS: Final = 1000  # that are named; beyond, they are counted
MAX_REMARK: Final = 100
_UNITS_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART: Final = re.compile(r"([0-9]{1,12})(ms|[smhdw])")
_TIME: Final = re.compile(rf"(?:{_PART.pattern})+")


class ImportFault(Exception):  # noqa: N818 - the word of the configuration's faults
    """A source that cannot be read or understood at all; the text is bounded, printable and names the source."""


@attrs.frozen
class Entry:
    """One that is banned there; ``end_s`` is None where no end is known, ``place`` says where in the source it stands."""

    client: ClientKey
    end_s: int | None
    reason: str
    place: str


@attrs.frozen
class Fault:
    """A place that cannot be understood, and the rule that it breaks; both are for people."""

    place: str
    why: str


class Holding:
    """
    Collects what a source holds.

    Args:
        origin: What the source is, in words: ``ipset blocked``.
        now_s: Unix seconds; what is over by then is only counted.
        made_s: When the source was written: times that remain count from then.

    """

    def __init__(self, origin: str, now_s: int, made_s: int) -> None:
        self.origin = origin
        self.made_s = made_s
        self.entries: list[Entry] = []
        self.faults: list[Fault] = []
        self.unnamed_faults = 0
        self.over = 0
        self._now_s = now_s

    def take(self, text: str, place: str, *, end_s: int | None = None, remark: str = "") -> None:
        """
        Add an address, prefix or range of addresses.

        Args:
            text: As the source has it.
            place: Where.
            end_s: Unix seconds; None where no end is known.
            remark: The source's own words on it.

        Raises:
            ImportFault: there are more than can be taken.

        """
        if end_s is not None and end_s <= self._now_s:
            self.over += 1
            return
        try:
            clients = parse_addresses(text)
        except ValueError as error:
            self.miss(place, str(error))
            return
        if len(self.entries) + len(clients) > MAX_ENTRIES:
            raise ImportFault(f"{self.origin} has more than {MAX_ENTRIES:,} entries")
        reason = f"imported from {self.origin}" + (f", {remark[:MAX_REMARK]}" if remark else "")
        self.entries += [Entry(client, end_s, reason, place) for client in clients]

    def miss(self, place: str, why: str) -> None:
        """Note a place that cannot be understood."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(Fault(place, why))
        else:
            self.unnamed_faults += 1


def parse_addresses(text: str) -> list[ClientKey]:
    """
    Return an address or prefix, or the prefixes that make up a range ``192.0.2.1-192.0.2.9``.

    Raises:
        ValueError: *text* is none of these; its text is the rule.

    """
    first, dash, last = text.partition("-")
    if not dash:
        return [parse_network(text)]
    ends = ipaddress.ip_address(pack_address(first)), ipaddress.ip_address(pack_address(last))
    if ends[0].version != ends[1].version or int(ends[0]) > int(ends[1]):
        raise ValueError(f"{text[:100]!r}: a range must go up, from an address to one of the same family")
    return [parse_network(str(network)) for network in ipaddress.summarize_address_range(*ends)]


def parse_time(text: str) -> int:
    """
    Return the seconds, rounded up, of ``1d2h3m4s968ms`` or of a plain number.

    Raises:
        ValueError: *text* is no time.

    """
    if text.isascii() and text.isdigit() and len(text) <= 12:  # noqa: PLR2004 - as in _PART
        return int(text)
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text[:100]!r}: must be a time such as 1h30m")
    total_ms = sum(int(number) * _UNITS_MS[unit] for number, unit in _PART.findall(text))
    return -(-total_ms // 1000)
