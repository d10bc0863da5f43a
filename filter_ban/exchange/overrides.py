# SPDX-License-Identifier: ISC
"""
The rules of blocklistd as overrides: whom each is for, when it bans and for how long.

blocklistd takes the first local rule that fits a failure, and lets the first remote rule that fits change what it says.
So each remote rule becomes an override for each local rule that it can meet, and these come first.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs

from filter_ban.client import ClientKey, parse_network, prefix_of, widen
from filter_ban.exchange.blocklistd import ANY, IPV4, IPV6, KEEP, TCP, UDP, Rule
from filter_ban.exchange.holding import ImportFault
from filter_ban.text import excerpt

MAX_OVERRIDES: Final = 1000  # each is looked at, in order, for a failed login
_FAMILIES: Final = {IPV4: parse_network("0.0.0.0/0"), IPV6: parse_network("::/0")}


@attrs.frozen
class Scope:
    """Clients of a network (None: all) at a port (ANY: all) by TCP, UDP or ANY."""

    network: ClientKey | None
    port: int
    kind: int

    def covers(self, other: "Scope") -> bool:
        """Return whether *other* is a part of it."""
        return (
            self.port in (ANY, other.port)
            and self.kind in (ANY, other.kind)
            and within(other.network, self.network)
        )

    def common(self, other: "Scope") -> "Scope | None":
        """Return what both are for; None where that is nobody."""
        ports = {self.port, other.port} - {ANY}
        kinds = {self.kind, other.kind} - {ANY}
        if len(ports) > 1 or len(kinds) > 1 or not meet(self.network, other.network):
            return None
        network = self.network if within(self.network, other.network) else other.network
        return Scope(network, *ports or (ANY,), *kinds or (ANY,))


@attrs.frozen
class Override:
    """Whom it is for, after how many failures it bans (ANY: never), for how long (ANY: for ever), and what says so."""

    scope: Scope
    nfail: int
    disable_s: int
    rules: tuple[Rule, ...]

    @property
    def effect(self) -> tuple[int, int]:
        """What it does, in a form to be compared."""
        return self.nfail, ANY if self.nfail == ANY else self.disable_s


def make_overrides(local: Sequence[Rule], remote: Sequence[Rule]) -> tuple[list[Rule], list[Override]]:
    """
    Return the remote rules that spare a network altogether, and overrides for all others, the first that fits holds.

    Raises:
        ImportFault: there would be too many.

    """
    local, remote = seen(local), seen(remote)
    spared = _spared(remote)
    bases = [base for rule in local if (base := _of_local(rule)) is not None]
    kept: list[Override] = []
    for override in (*_of_remote((rule for rule in remote if rule not in spared), bases), *bases):
        if not any(earlier.scope.covers(override.scope) for earlier in kept):
            kept.append(override)
        if len(kept) > MAX_OVERRIDES:
            raise ImportFault(f"these rules need more than {MAX_OVERRIDES} overrides")
    return spared, kept


def seen(rules: Sequence[Rule]) -> list[Rule]:
    """Return *rules* without those that would take the place of others, as filter-ban does not see what they go by."""
    plain = [rule for rule in rules if not unseen(rule)]
    return [rule for rule in rules if not unseen(rule) or not any(_replaces(rule, other) for other in plain)]


def unseen(rule: Rule) -> str:
    """Return what *rule* goes by that filter-ban does not see, in words."""
    what = [f"the local address {excerpt(rule.local)}"] if rule.local else []
    known = (ANY, KEEP, TCP) if rule.port < 0 else (ANY, KEEP, TCP, UDP)
    what += ["the type"] if rule.kind not in known else []
    what += [f"the owner {excerpt(rule.owner)}"] if rule.owner not in ("*", "=") else []
    return " and ".join(what)


def within(inner: ClientKey | None, outer: ClientKey | None) -> bool:
    """Return whether the network *inner* is a part of *outer*; None is everybody."""
    if outer is None or inner is None:
        return outer is None
    return (
        len(inner) == len(outer)
        and prefix_of(inner) >= prefix_of(outer)
        and widen(inner, prefix_of(outer)) == outer
    )


def meet(one: ClientKey | None, other: ClientKey | None) -> bool:
    """Return whether two networks have an address in common."""
    return within(one, other) or within(other, one)


def _replaces(rule: Rule, other: Rule) -> bool:
    kinds = {rule.kind, other.kind} - {ANY, KEEP}
    families = {rule.family, other.family} - {ANY, KEEP}
    same_port = rule.port < 0 or rule.port == other.port
    return same_port and len(kinds) <= 1 and len(families) <= 1 and within(other.network, rule.network)


def _spared(remote: Iterable[Rule]) -> list[Rule]:
    """Return those that never ban in a network, before any other rule could say something else about it."""
    spared: list[Rule] = []
    others: list[Rule] = []
    for rule in remote:
        whole = rule.port < 0 and rule.kind < 0 and within(rule.network, _FAMILIES.get(rule.family))
        never = rule.network is not None and rule.nfail == ANY and not unseen(rule)
        first = not any(meet(rule.network, other.network) for other in others)
        (spared if whole and never and first else others).append(rule)
    return spared


def _scope(rule: Rule) -> Scope | None:
    """Return whom *rule* is for; None where that is nobody."""
    kind = rule.kind if rule.kind in (TCP, UDP) else ANY
    families = Scope(_FAMILIES.get(rule.family), ANY, ANY)
    return Scope(rule.network, max(rule.port, ANY), kind).common(families)


def _of_local(rule: Rule) -> Override | None:
    scope = _scope(rule)
    return None if scope is None else Override(_visible(scope), rule.nfail, rule.disable_s, (rule,))


def _of_remote(remote: Iterable[Rule], bases: Sequence[Override]) -> Iterator[Override]:
    for rule in remote:
        group: list[Override] = []
        for combined in filter(None, (_combine(rule, base) for base in bases)):
            while group and group[-1].effect == combined.effect and combined.scope.covers(group[-1].scope):
                group.pop()
            group.append(combined)
        yield from group


def _combine(rule: Rule, base: Override) -> Override | None:
    """Return what a remote rule makes of a local one; None where they never meet."""
    scope = _scope(rule)
    scope = scope and scope.common(base.scope)
    if scope is None:
        return None
    nfail = base.nfail if rule.nfail == KEEP else rule.nfail
    disable_s = base.disable_s if rule.disable_s == KEEP else rule.disable_s
    by_itself = rule.nfail != KEEP and (rule.nfail == ANY or rule.disable_s != KEEP)
    return Override(_visible(scope), nfail, disable_s, (rule,) if by_itself else (rule, *base.rules))


def _visible(scope: Scope) -> Scope:
    """Return *scope* as the name of a service can tell it: a type only together with a port."""
    return attrs.evolve(scope, kind=ANY) if scope.port == ANY else scope
