# SPDX-License-Identifier: ISC
"""User names that nobody has who belongs here: of a domain that is not ours, or laid out as a trap."""

from collections.abc import Iterable

from filter_ban.model import Kind


class Names:
    """
    Tells such names; upper and lower case are alike.

    Args:
        domains: Ours; without any, every domain may be.
        traps: Whole names, or what stands before the ``@``.

    """

    def __init__(self, domains: Iterable[str], traps: Iterable[str]) -> None:
        self._domains = frozenset(map(str.casefold, domains))
        self._traps = frozenset(map(str.casefold, traps))

    def __bool__(self) -> bool:
        return bool(self._domains or self._traps)

    def kind_of(self, user: str) -> Kind | None:
        """Return what a failed login as *user* is, if it is more than that."""
        name = user.casefold()
        local, at, domain = name.rpartition("@")
        if name in self._traps or local in self._traps:
            return Kind.TRAP_USER
        if at and self._domains and domain not in self._domains:
            return Kind.FOREIGN_DOMAIN
        return None
