# SPDX-License-Identifier: ISC
"""
Rules of iptables that use a set: the lines of ours, and whether what ``iptables-save`` prints has one that acts.

Lines are in the form of iptables-save, which before.rules of ufw and iptables-restore read as well.

Source: iptables(8), iptables-extensions(8) (set, multiport, limit, LOG, REJECT); iptables 1.8.9, nf_tables and legacy.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

MAX_RULE_PORTS: Final = 15  # of multiport
LOG_PREFIX: Final = "[filter-ban] "
ACTIONS: Final = {
    "drop": ("-j DROP",),
    "reject": ("-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT"),
}

Chains: TypeAlias = Mapping[str, Sequence[tuple[str, str]]]  # each rule's matches and target

_HOOKS: Final = ("PREROUTING", "INPUT")
_VERDICTS: Final = frozenset({"DROP", "REJECT"})
_PASSING: Final = frozenset({"ACCEPT", "RETURN"})
_TEXT: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"')  # a comment or a log prefix, which may look like anything
_COMMENT: Final = re.compile(r" -m comment --comment \S+")
_CHAIN: Final = re.compile(r"^:(\S+)", re.MULTILINE)
_RULE: Final = re.compile(r"^-A (\S+)(.*?) -[jg] (\S+)", re.MULTILINE)

# --- building


def rules(table: str, family: int, ports: Sequence[int], action: str, chain: str) -> tuple[str, ...]:
    """
    Return the rules that send the clients in a set to our own chain, named as *table*.

    Args:
        table: Start of the sets' names.
        family: 4 or 6.
        ports: TCP ports that are closed; empty: everything is.
        action: What :func:`verdict_rules` does in the end.
        chain: Where they go. Open sessions end if it is passed before they are accepted.

    Raises:
        ValueError: there is no such action, or not in this chain.

    """
    if action not in ACTIONS:
        raise ValueError(f"firewall.action: {action!r}: must be one of {', '.join(ACTIONS)}")
    if action == "reject" and chain == "PREROUTING":
        raise ValueError("firewall.action: 'reject': iptables cannot do it in PREROUTING")
    use = f"-m set --match-set {table}{family} src -j {table}"
    closed = sorted(set(ports))
    if not closed:
        return (f"-A {chain} {use}",)
    return tuple(
        f"-A {chain} -p tcp -m multiport --dports {','.join(map(str, closed[at : at + MAX_RULE_PORTS]))} {use}"
        for at in range(0, len(closed), MAX_RULE_PORTS)
    )


def verdict_rules(table: str, action: str) -> tuple[str, ...]:
    """Return the rules of our own chain: it logs 3 packets a minute after the first 10, and lets none pass."""
    return (
        f'-A {table} -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "{LOG_PREFIX}"',
        *(f"-A {table} {verdict}" for verdict in ACTIONS[action]),
    )


# --- reading


def uses_set(saved: str, name: str) -> bool:
    """
    Return whether a rule in the output of iptables-save refuses the sources in the set *name*.

    Its target is DROP or REJECT, or a chain that refuses every packet; it stands in PREROUTING or INPUT, or in a chain
    that they lead to. Whether another rule accepts the packet earlier is not asked.
    """
    match = re.compile(rf"(?<!! )--match-set {re.escape(name)} src(?!\S)")
    return any(
        match.search(matches) and _refuses(chains, target)
        for chains in _tables(saved)
        for chain in _reachable(chains)
        for matches, target in chains[chain]
    )


def _tables(saved: str) -> Iterator[Chains]:
    """Yield the chains of each table; targets of other tables do not matter to it."""
    plain = _COMMENT.sub("", _TEXT.sub("text", saved))
    for table in re.split(r"^\*", plain, flags=re.MULTILINE)[1:]:
        chains: dict[str, list[tuple[str, str]]] = {name: [] for name in _CHAIN.findall(table)}
        for chain, matches, target in _RULE.findall(table):
            chains.setdefault(chain, []).append((matches, target))
        yield chains


def _reachable(chains: Chains) -> set[str]:
    found: set[str] = set()
    ahead = {hook for hook in _HOOKS if hook in chains}
    while ahead:
        found |= ahead
        ahead = {target for chain in ahead for _, target in chains[chain] if target in chains} - found
    return found


def _refuses(chains: Chains, target: str, seen: frozenset[str] = frozenset()) -> bool:
    """Return whether no packet comes past *target*."""
    if target in _VERDICTS:
        return True
    for matches, further in () if target in seen else chains.get(target, ()):
        if matches:
            continue
        if further in _PASSING:
            return False
        if _refuses(chains, further, seen | {target}):
            return True
    return False
