# SPDX-License-Identifier: ISC
"""The bans that an operator asks for, one by one: whom, until when, and why."""

from typing import TYPE_CHECKING, Any, Final

import attrs

from filter_ban.config.cluster import LISTEN_ONLY
from filter_ban.daemon.control import CommandError
from filter_ban.explanation import BY_HAND
from filter_ban.model import Ban
from filter_ban.text import excerpt

if TYPE_CHECKING:
    from filter_ban.daemon.service import Service

MAX_REASON: Final = 200
MAX_BAN_S: Final = 100 * 366 * 86_400  # as the firewall's guard has it


@attrs.frozen
class Wish:
    """A client or prefix to be banned until ``end_s`` (None: until lifted), and what is wrong with that."""

    text: object
    end_s: int | None
    reason: str
    problem: str = ""

    @classmethod
    def parse(cls, given: object, request: dict[str, Any], now_s: int) -> "Wish":
        """
        Return one of the clients of *request*.

        Args:
            given: A text; or an object with ``client`` and what is its own: ``end``, Unix seconds or null, and ``reason``.
            request: ``length``, in seconds or null, and ``reason`` hold for whoever has none of its own.
            now_s: Unix seconds.

        """
        own: dict[str, Any] = given if isinstance(given, dict) else {"client": given}
        length_s = request.get("length")
        end_s = own["end"] if "end" in own else None if length_s is None else now_s + length_s
        reason = excerpt(str(own.get("reason") or request.get("reason") or BY_HAND), MAX_REASON)
        return cls(own.get("client"), end_s, reason, end_problem(end_s, now_s))

    def outcome(self, before: Ban | None) -> str:
        """Return what becomes of the wish where the client is under the ban *before*: no ban is ever shortened."""
        if before is None:
            return "banned"
        lasts = before.end_s is None or (self.end_s is not None and self.end_s <= before.end_s)
        return "unchanged" if lasts else "extended"


def end_problem(end_s: Any, now_s: int) -> str:
    """Return what is wrong with an end, whatever it is; "" where nothing is."""
    if end_s is None:
        return ""
    if type(end_s) is not int:
        return "its end is no number of seconds"
    if end_s <= now_s:
        return "its end has passed"
    return "" if end_s - now_s <= MAX_BAN_S else "its end is more than 100 years away"


def is_for_all(request: dict[str, Any], service: "Service") -> bool:
    """
    Return whether other nodes are to do the same: where there are any, unless it is said otherwise.

    Raises:
        CommandError: it is asked for and cannot be.

    """
    wanted = request.get("everywhere")
    if wanted is True and service.cluster is None:
        raise CommandError("there are no other nodes (cluster.stores)")
    if wanted is True and service.config.cluster.role == LISTEN_ONLY:
        raise CommandError("this node only listens to the others (cluster.role)")
    return wanted is not False and service.cluster is not None and service.cluster.speaks
