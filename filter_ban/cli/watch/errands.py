# SPDX-License-Identifier: ISC
"""What the live view asks of the daemon, and what came of it in words."""

import time
from typing import Any, Final

import attrs

from filter_ban.cli import wording
from filter_ban.cli.document import Document, parts
from filter_ban.cli.wording import count, shown

WATCH: Final = "watch"
SHOW: Final = "show"
_SILENCE_S: Final = 5.0
_RESYNC_SILENCE_S: Final = 60.0  # a firewall tool may be slow with large tables
_REASON: Final = "by hand in filter-ban watch"


@attrs.frozen
class Errand:
    """A request to the daemon."""

    command: str
    arguments: dict[str, Any] = attrs.field(factory=dict)
    silence_s: float = _SILENCE_S


@attrs.frozen
class Answer:
    """What came of an errand; ``failure`` says why nothing did, and ``lost`` whether that is for want of a daemon."""

    errand: Errand
    document: Document = attrs.field(factory=dict)
    failure: str = ""
    lost: bool = False


def look(*, fresh: bool = False) -> Errand:
    """Return the request for all that is to be seen."""
    return Errand(WATCH, {"fresh": fresh})


def explain(client: str) -> Errand:
    """Return the request why *client* is blocked."""
    return Errand(SHOW, {"client": client})


def ban(client: str, length_s: int | None) -> Errand:
    """Return the request to ban *client*; None is for ever."""
    return Errand("ban", {"clients": [client], "length": length_s, "reason": _REASON})


def lift(client: str) -> Errand:
    """Return the request to lift the ban of *client*."""
    return Errand("lift", {"clients": [client]})


def allow(client: str, length_s: int | None) -> Errand:
    """Return the request never to count or ban *client*, for a time; None is for ever."""
    return Errand("allow", {"clients": [client], "length": length_s, "reason": _REASON})


def resync() -> Errand:
    """Return the request to make the firewall's tables equal the bans."""
    return Errand("resync", silence_s=_RESYNC_SILENCE_S)


def outcome(answer: Answer) -> str:
    """Say what came of an errand that was to change something."""
    if answer.failure:
        return answer.failure
    if answer.errand.command == "resync":
        return "; ".join(map(_compared, parts(answer.document, "backends"))) or "nothing was compared"
    return (
        "; ".join(map(_became, parts(answer.document, "results"))) or "the daemon did not say what came of it"
    )


def _compared(backend: Document) -> str:
    missing, foreign = backend.get("missing") or 0, backend.get("foreign") or 0
    found = (
        f"{count(missing)} missing put back, {count(foreign)} foreign removed"
        if missing or foreign
        else "nothing was missing"
    )
    problem = f": {shown(backend.get('problem'))}" if not backend.get("ok") else f": {found}"
    return f"{shown(backend.get('backend'))}{problem}"


def _became(result: Document) -> str:
    client, name = shown(result.get("client")), shown(result.get("outcome"))
    if result.get("why"):
        return f"{client} {'is ' if name == 'not-banned' else ''}{'refused: ' if name == 'refused' else ''}{shown(result['why'])}"
    until = f" until {wording.until(result['end'], time.time())}" if "end" in result else ""
    match name:
        case "lifted":
            return f"{client} is no longer banned"
        case "unchanged":
            return f"{client} stays as it is{until}"
        case _:
            return f"{client} is {name}{until}"
