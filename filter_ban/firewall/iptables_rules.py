# SPDX-License-Identifier: ISC
"""
Rules of iptables that use a set: the lines of ours, and whether what ``iptables-save`` prints has one that acts.

Lines are in the form of iptables-save, which before.rules of ufw and iptables-restore read as well.

Source: iptables(8), iptables-extensions(8) (set, multiport, limit, LOG, REJECT); iptables 1.8.9, nf_tables and legacy.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
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
_ALL_OF_TCP: Final = frozenset(
    {"", "-p tcp", "-p tcp -m tcp"}
)  # matches of a rule that hold for each connection
_TEXT: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"')  # a comment or a log prefix, which may look like anything
_COMMENT: Final = re.compile(r" -m comment --comment \S+")
_CHAIN: Final = re.compile(r"^:(\S+)", re.MULTILINE)
_OTHER_PROTOCOL: Final = re.compile(r" ! -p tcp\b|(?<!!) -p (?!tcp\b)\S")
_PORTS: Final = re.compile(r"(?P<other>! )?--(?:dports?|ports) (?P<ports>\S+)")
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


def uses_set(saved: str, name: str, ports: Collection[int] = ()) -> bool:
    """
    Return whether rules in the output of iptables-save refuse the sources in the set *name*, at all *ports*.

    Their target is DROP or REJECT, or a chain that refuses every packet; they stand in PREROUTING or INPUT, or in a chain
    that they lead to, and not behind a rule that accepts everything. Whether a rule accepts some packets earlier is not
    asked. Without *ports* the rules may be for some.
    """
    match = re.compile(rf"(?<!! )--match-set {re.escape(name)} src(?!\S)")
    closed = [
        _closed(matches)
        for chains in _tables(saved)
        for chain in _reachable(chains)
        for matches, target in _tried(chains, chain)
        if match.search(matches) and _fate(chains, target) in _VERDICTS
    ]
    return any(closed) and all(any(port in span for spans in closed for span in spans) for port in ports)


def _closed(matches: str) -> list[range]:
    """Return the TCP ports that a rule is for, as far as it can be told."""
    if _OTHER_PROTOCOL.search(matches):
        return []
    found = _PORTS.search(matches)
    if found is None:
        return [range(1, 1 << 16)]
    spans = () if found["other"] else re.findall(r"(\d+)(?::(\d+))?", found["ports"])
    return [range(int(first), int(last or first) + 1) for first, last in spans]


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
        ahead = {target for chain in ahead for _, target in _tried(chains, chain) if target in chains} - found
    return found


def _tried(chains: Chains, chain: str) -> Iterator[tuple[str, str]]:
    """Yield the rules of *chain* up to the one behind which no packet of TCP comes."""
    for matches, target in chains[chain]:
        if matches.strip() in _ALL_OF_TCP and (target == "RETURN" or _fate(chains, target) == "ACCEPT"):
            return
        yield matches, target


def _fate(chains: Chains, target: str, seen: frozenset[str] = frozenset()) -> str:
    """Return the verdict on every packet that is sent to *target*, of TCP at least if it passes; else nothing."""
    if target in _VERDICTS | _PASSING:
        return target
    for matches, further in () if target in seen else chains.get(target, ()):
        if matches.strip() not in _ALL_OF_TCP:
            continue
        if further == "RETURN":
            break
        fate = _fate(chains, further, seen | {target})
        if fate == "ACCEPT" or (fate and not matches):
            return fate
    return ""
