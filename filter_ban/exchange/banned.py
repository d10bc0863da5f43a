# SPDX-License-Identifier: ISC
"""Active bans on their way out, as the daemon or the ledger tells of them."""

from typing import Any, Final, Self

import attrs

from filter_ban.client import parse_network
from filter_ban.model import Ban
from filter_ban.text import escape

Document = dict[str, Any]
_LARGEST: Final = 253_402_300_799  # the end of the year 9999, in Unix seconds


@attrs.frozen
class Banned:
    """A ban, and the document that tells of it."""

    ban: Ban
    document: Document

    @classmethod
    def parse(cls, document: Document) -> Self:
        """
        Return the ban of *document*, which is that of ``filter-ban list --json``.

        Raises:
            ValueError: it is none; the daemon may be of another version.

        """
        end_s = document.get("end")
        ban = Ban(
            client=parse_network(str(document.get("client"))),
            start_s=_moment(document.get("start")),
            end_s=None if end_s is None else _moment(end_s),
            rule=printable(document.get("rule")),
            reason=printable(document.get("reason")),
            offence=_number(document.get("offence"), int),
            strikes=_number(document.get("strikes"), int | float),
            reference=printable(document.get("reference")),
            firewall=document.get("firewall") is not False,
        )
        return cls(ban, document)


def printable(value: object) -> str:
    """Return a text on one line; what is printable already, as daemon and ledger have it, stays as it is."""
    text = "" if value is None else str(value)
    return text if text.isprintable() else escape(text)


def _number(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise ValueError("a ban without its numbers")  # noqa: TRY004 - one kind of error for all that is wrong
    return value


def _moment(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise ValueError("a ban without its times")
    return value
