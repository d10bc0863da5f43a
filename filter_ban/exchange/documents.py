# SPDX-License-Identifier: ISC
"""JSON: an array with the document of each ban; what ``filter-ban list --json`` prints is read too."""

import json
from collections.abc import Iterable, Iterator

from filter_ban.exchange.banned import Banned
from filter_ban.exchange.holding import Holding, ImportFault


def read(text: str, holding: Holding) -> None:
    """
    Add the bans in *text*.

    Raises:
        ImportFault: it is no JSON, or no bans are where they should be.

    """
    try:
        bans = json.loads(text)
    except (ValueError, RecursionError):
        raise ImportFault(f"{holding.origin}: is no JSON") from None
    if isinstance(bans, dict):
        bans = bans.get("bans")
    if not isinstance(bans, list):
        raise ImportFault(f"{holding.origin}: must be an array of bans, as filter-ban export writes it")
    for number, ban in enumerate(bans, 1):
        _take(ban, f"ban {number}", holding)


def _take(ban: object, place: str, holding: Holding) -> None:
    if not isinstance(ban, dict) or not isinstance(ban.get("client"), str):
        holding.miss(place, "has no client")
        return
    end_s = ban.get("end")
    if end_s is not None and type(end_s) is not int:
        holding.miss(place, "its end is no number of seconds")
        return
    holding.take(ban["client"], place, end_s=end_s, remark=str(ban.get("reason") or ""))


def write(bans: Iterable[Banned]) -> Iterator[str]:
    """Yield the array, a ban a line, in ASCII."""
    yield "["
    for number, each in enumerate(bans):
        yield f"{',' if number else ''}\n{json.dumps(each.document)}"
    yield "\n]\n"
